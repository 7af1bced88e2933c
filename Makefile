GO      ?= go
CONFIG  ?= configs/quick.yaml
RESULTS ?= results/latest
FUZZTIME ?= 30s
TESTFLAGS ?=

# Every record contains the version of the code and of the libraries that measured it.
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
# A resumed run changes its own record under results/, which does not make the code dirty.
DIRTY   := $(if $(shell git status --porcelain -- . ':!results' 2>/dev/null),true,false)
MODULES  = $(shell $(GO) list -m -f '{{.Path}}@{{.Version}},' github.com/panjf2000/gnet/v2 github.com/valyala/fasthttp)
BUILD    = github.com/tierbench/tierbench/loadtest/build
LDFLAGS  = -X $(BUILD).commit=$(COMMIT) -X $(BUILD).dirty=$(DIRTY) -X '$(BUILD).moduleVersions=$(MODULES)'

MODULE      = github.com/tierbench/tierbench
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test bench bench-full peers duels controls python claims claims-quick report publish site man dist dist-check lint fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/server and bin/tierbench
	$(GO) build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

controls: ## build bin/ref, the servers in C, if there is a compiler
	@mkdir -p bin; if command -v cc >/dev/null; then cc -O2 -pthread -o bin/ref servers/controls/c/ref.c; \
	else echo "cc is not installed: the servers in C are left out"; fi

python: build ## compare servers in CPython with the models in Go; about ten minutes
	bin/tierbench run configs/python.yaml

# Many tests mostly wait, so more packages run at a time than there are cores, the longest first.
# RACE=1 turns on the race detector for every package except those that start no goroutine; a test
# in the root checks that they do not. The race detector reports a race when it sees it. By default
# it also waits for a second at the end of each process, which would add a second for each server.
PLAIN = advise audit build chart claims compare crosscheck doctor gate ledger plan prose report/reporttest search site slo stats table trial
LONGEST = ./cmd/tierbench ./servers/all ./loadtest/attack ./loadtest/conform
test: export GORACE ?= atexit_sleep_ms=0
test: ## run all tests (RACE=1: with the race detector)
ifdef RACE
	$(GO) test -p 4 -race $(TESTFLAGS) $(LONGEST) $(filter-out $(PLAIN:%=$(MODULE)/loadtest/%),$(shell $(GO) list ./...))
	$(GO) test -p 4 $(TESTFLAGS) $(PLAIN:%=./loadtest/%)
else
	$(GO) test -p 4 $(TESTFLAGS) $(LONGEST) ./loadtest/site ./loadtest/report ./...
endif

bench: build ## measure the three servers at 10, 100 and 1,000 clients; about two minutes
	bin/tierbench run $(CONFIG)

bench-full: build ## measure 10 to 10,000 clients in half decades, 5 repeats; about 35 minutes
	bin/tierbench run configs/full.yaml

# wrk, nginx and a C compiler are used if they are installed. If not, the output names them.
peers: build controls ## compare the servers with C and nginx, and the generator with wrk; measure the memory of idle connections
	@if command -v wrk >/dev/null; then bin/tierbench run configs/peers.yaml; \
	else echo "wrk is not installed: the comparison uses vegeta, which needs more CPU time than wrk"; \
	sed 's/^generator: wrk/generator: vegeta/' configs/peers.yaml >bin/peers.yaml; bin/tierbench run bin/peers.yaml; fi
	bin/tierbench run configs/generators.yaml
	bin/tierbench run configs/idle.yaml

# Each duel takes about two minutes.
duels: build controls ## compare the servers with C and nginx in turns, which a busy machine does not disturb much
	@for pair in "eventloop c-epoll" "thread c-thread" "eventloop nginx-1" "prefork nginx"; do \
	case $$pair in *nginx*) command -v nginx >/dev/null || { echo "nginx is not installed: $$pair is left out"; continue; };; esac; \
	bin/tierbench duel $$pair --config configs/peers.yaml || exit; done

# make claims resumes a run that was interrupted. It also resumes a complete run, if REPEATS asks
# for more repeats than its cells have.
claims: build ## measure and judge every claim of the comparison table; about half an hour (then REPEATS=10 for more repeats)
	@$(call measure-claims,claims)

claims-quick: build ## the same with fewer repeats, in less than five minutes
	@$(call measure-claims,claims-quick)

# measure-claims runs configs/$(1).yaml, or resumes its newest run if that is not complete, and
# prints the ledger. A cell without a valid repeat is a finding of the ledger, not a failure.
define measure-claims
	dir=$$(ls -d results/*-$(1) 2>/dev/null | tail -n 1); \
	if [ -n "$$dir" ] && { [ -n "$(REPEATS)" ] || ! grep -q '"ended"' "$$dir/run.json"; }; then \
	bin/tierbench run --resume "$$dir" $(addprefix --repeats ,$(REPEATS)); \
	else bin/tierbench run configs/$(1).yaml; fi; code=$$?; \
	if [ $$code -gt 1 ]; then exit $$code; fi; \
	bin/tierbench claims "$$(ls -d results/*-$(1) | tail -n 1)"
endef

report: build ## draw the report of the newest run again (or RESULTS=results/RUN)
	bin/tierbench report $(RESULTS)

# Git contains the measurements and the files that a reader on the web sees. make report draws
# the rest.
publish: ## add the newest run to git (or RESULTS=results/RUN): its records, and the report as Markdown with its charts
	git add -f -- $(wildcard $(addprefix $(realpath $(RESULTS))/,*.json *.jsonl *.hlog *.md charts/*.svg))

# To publish the site, put the folder results/site on any static host. To use a branch, for
# example: git worktree add ../pages pages, copy the folder there, commit and push.
site: build ## build a static site of all published runs (those in git), in results/site
	bin/tierbench site $(sort $(dir $(shell git ls-files 'results/*/run.json')))

man: ## write the manual page to bin/tierbench.1 (man -l bin/tierbench.1)
	@mkdir -p bin
	$(GO) run ./cmd/tierbench man >bin/tierbench.1

# Release archives. The same commit gives the same bytes wherever it is built: there are no
# paths and no owners in them, the files are sorted, and all times are that of the commit. Needs
# GNU tar.
VERSION           ?= $(shell git describe --tags --always --dirty 2>/dev/null)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
PLATFORMS         ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
DIST              ?= dist
dist: ## build release archives for linux and darwin, amd64 and arm64, with SHA256SUMS, in dist/
	@test -n "$(VERSION)" -a -n "$(SOURCE_DATE_EPOCH)" || { echo "VERSION and SOURCE_DATE_EPOCH are unknown outside of git; set them"; exit 1; }
	rm -rf $(DIST) && mkdir -p $(DIST)/common/completions
	$(GO) run ./cmd/tierbench man >$(DIST)/common/tierbench.1
	$(GO) run ./cmd/tierbench completion bash >$(DIST)/common/completions/tierbench.bash
	$(GO) run ./cmd/tierbench completion zsh >$(DIST)/common/completions/_tierbench
	$(GO) run ./cmd/tierbench completion fish >$(DIST)/common/completions/tierbench.fish
	mkdir $(DIST)/common/servers # the configs start servers in other languages from there
	cp -R servers/controls $(DIST)/common/servers/ && find $(DIST)/common -name __pycache__ -exec rm -r {} +
	cp -R README.md LICENSE configs examples $(DIST)/common/
	@set -e; for p in $(PLATFORMS); do \
		name=tierbench-$(VERSION)-$${p%/*}-$${p#*/}; echo "$$name.tar.gz"; cp -R $(DIST)/common $(DIST)/$$name; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -buildid= $(LDFLAGS)" -o $(DIST)/$$name/bin/ ./cmd/...; \
		find $(DIST)/$$name -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +; \
		chmod 755 $(DIST)/$$name/bin/server $(DIST)/$$name/bin/tierbench $(DIST)/$$name/servers/controls/nginx/start; \
		tar -C $(DIST) --format=ustar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner -cf - $$name | gzip -9n >$(DIST)/$$name.tar.gz; \
		rm -r $(DIST)/$$name; done
	@rm -r $(DIST)/common
	cd $(DIST) && sha256sum tierbench-*.tar.gz >SHA256SUMS && cat SHA256SUMS

dist-check: ## build the archives twice, the second time in a copy of the tree, and compare them
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	git ls-files -z -- . ':!results' | tar --null -T - -cf - | tar -xf - -C "$$copy"; \
	$(MAKE) -s dist DIST="$$copy/first" >/dev/null; \
	(umask 077; $(MAKE) -s -C "$$copy" dist DIST="$$copy/dist" VERSION=$(VERSION) SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) COMMIT=$(COMMIT) DIRTY=$(DIRTY)) >/dev/null; \
	cmp "$$copy/first/SHA256SUMS" "$$copy/dist/SHA256SUMS" && echo "the archives are the same, built twice"

lint: ## run gofmt, go vet (Linux and darwin) and staticcheck
	@unformatted=$$(gofmt -l cmd servers loadtest); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fuzz: ## fuzz each parser for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done; done

clean: ## remove the built files
	rm -rf bin dist
