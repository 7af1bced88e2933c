package claims

// A server is a contestant of the table: a model, or a control in CPython.
type server struct {
	language, column, model string
	// oneEach says that each worker process serves one request at a time, so that at most as
	// many requests can wait as there are cores.
	oneEach bool
}

func (s server) subject() subject {
	return subject{language: s.language, column: s.column, model: s.model}
}

// contestants are the servers of the columns of the document's table. Processes appear twice:
// the document compares one per client with a thread or a task per client, but people deploy
// one per core. Neither represents the other.
var contestants = []server{
	{language: Go, column: Processes, model: "process"},
	{language: Go, column: Processes, model: "prefork"},
	{language: Go, column: Threads, model: "thread"},
	{language: Go, column: Async, model: "eventloop"},
	{language: CPython, column: Processes, model: "python-fork"},
	{language: CPython, column: Processes, model: "python-prefork", oneEach: true},
	{language: CPython, column: Threads, model: "python-threads"},
	{language: CPython, column: Async, model: "python-asyncio"},
}

// manyLoops is the model with a loop per core. It is shown outside the table.
const manyLoops = "multiloop"

// perClient returns the contestants that have one process, thread or task for each
// client.
func perClient() (out []server) {
	for _, s := range contestants {
		if s.model != "prefork" && s.model != "python-prefork" {
			out = append(out, s)
		}
	}
	return out
}

// of returns the servers of a language and a column; "" means any column.
func of(servers []server, language, column string) (out []server) {
	for _, s := range servers {
		if s.language == language && (column == "" || s.column == column) {
			out = append(out, s)
		}
	}
	return out
}

// byColumn decides for each server, then for each column. Servers without a column
// are outside the table and get verdicts of their own.
func byColumn(servers []server, decide func(server) Verdict) []Verdict {
	var out []Verdict
	for _, language := range Languages {
		var models []Verdict
		for _, column := range Columns {
			var vs []Verdict
			for _, s := range of(servers, language, column) {
				vs = append(vs, decide(s))
			}
			out = append(out, fold(subject{language: language, column: column}, "which "+columnNoun(column), vs))
			models = append(models, vs...)
		}
		for _, s := range of(servers, language, "") {
			if s.column == "" {
				models = append(models, decide(s))
			}
		}
		out = append(out, models...)
	}
	return out
}

// byLanguage decides for each server, then for each language.
func byLanguage(servers []server, decide func(server) Verdict) []Verdict {
	var out []Verdict
	for _, language := range Languages {
		var vs []Verdict
		for _, s := range of(servers, language, "") {
			vs = append(vs, decide(s))
		}
		out = append(out, fold(subject{language: language}, "the model", vs))
		out = append(out, vs...)
	}
	return out
}

// columnNoun names the servers of a column.
func columnNoun(column string) string {
	switch column {
	case Processes:
		return "processes"
	case Threads:
		return "threads"
	}
	return "loop"
}
