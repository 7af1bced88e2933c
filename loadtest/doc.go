// Package loadtest runs a campaign: for each step of a plan it starts a fresh
// server, connects the clients, measures, judges and saves. It knows servers and
// generators only through small interfaces.
//
// The packages below this one are a pipeline:
//
//	plan → launch and generate → judge → show
//
// They pass on the record of a run:
//
//	result      the record: types, files, a run's folder
//	quantity    numbers with units, as a person writes them
//	build       the version of this program and its libraries, for the record
//
// Plan:
//
//	doctor      how many clients this host can carry
//	plan        a config file → the cells to measure, in their order
//	search      finds the highest load that still meets the objectives
//
// Launch and generate:
//
//	harness     opens a run on this machine: binds, starts servers and generators, saves
//	launch      starts a server as a process group, and stops it
//	box         limits the memory and the CPUs of a server's process tree by a control group
//	host        reads from the kernel what this machine and a server use
//	load        the types that a campaign and a generator exchange
//	attack      the generator: connections, both loops, every answer checked
//	fleet       the generator in many processes, on one host or several
//	wrk         other generators: wrk, wrk2 and oha
//	fault       injects a fault into a server within a window
//	trial       runs programs that are measured without clients
//	conform     tests whether a server keeps the contract
//
// Judge:
//
//	gate        decides whether a repeat counts
//	stats       medians, intervals, comparisons, fits
//	slo         which cells meet the objectives of the config
//	claims      the ledger: claims, rules, verdicts
//	compare     two runs, or two models of a run, with the difference
//	duel        two servers that are driven in turns, and the ratio of the two
//	crosscheck  whether generators agree on the same servers
//	advise      predicts which models carry a load that was not measured
//	audit       checks another benchmark's table by arithmetic
//
// Show:
//
//	live        a campaign while it runs: terminal, lines, JSON, metrics
//	chart       a run as SVG, PNG and data for a page
//	table       one table, written for a terminal, as Markdown, CSV or HTML
//	prose       lists, counts and line breaks in sentences
//	report      a run as a page, Markdown, CSV and benchmark format
//	ledger      the verdicts of the claims as a page
//	site        runs as a static site
//
// The import arrows are in layout_test.go at the root of the module.
package loadtest
