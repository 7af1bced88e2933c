GO      ?= go
CONFIG  ?= configs/quick.yaml
RESULTS ?= results/latest
FUZZTIME ?= 30s
TESTFLAGS ?=

# Which code and which libraries measured goes into every record.
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
DIRTY   := $(if $(shell git status --porcelain 2>/dev/null),true,false)
MODULES  = $(shell $(GO) list -m -f '{{.Path}}@{{.Version}},' github.com/panjf2000/gnet/v2 github.com/valyala/fasthttp)
LDFLAGS  = -X main.commit=$(COMMIT) -X main.dirty=$(DIRTY) -X 'main.moduleVersions=$(MODULES)'

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test bench bench-full peers report site lint fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/server and bin/tierbench
	$(GO) build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

test: ## run all tests
	$(GO) test $(TESTFLAGS) ./...

bench: build ## the main job: the three servers at 10, 100 and 1,000 clients; about two minutes
	bin/tierbench run $(CONFIG)

bench-full: build ## 10 to 10,000 clients in half decades, 5 repeats; about 35 minutes
	bin/tierbench run configs/full.yaml

# wrk, nginx and a C compiler are used where they are there, and named where not.
peers: build ## the servers beside C and nginx, the generator beside wrk, and the memory of idle connections
	@if command -v cc >/dev/null; then cc -O2 -pthread -o bin/ref servers/controls/c/ref.c; \
	else echo "cc is not installed: the servers in C are left out"; fi
	@if command -v wrk >/dev/null; then bin/tierbench run configs/peers.yaml; \
	else echo "wrk is not installed: the comparison is made with vegeta, which costs more than wrk"; \
	sed 's/^generator: wrk/generator: vegeta/' configs/peers.yaml >bin/peers.yaml; bin/tierbench run bin/peers.yaml; fi
	bin/tierbench run configs/generators.yaml
	bin/tierbench run configs/idle.yaml

report: build ## draw the newest run again (or RESULTS=results/RUN)
	bin/tierbench report $(RESULTS)

# The folder is all there is to publish: put results/site on any static host.
# On a branch of its own, for example: git worktree add ../pages pages, copy it there, commit and push.
site: build ## a static site of all published runs (those that git has), in results/site
	bin/tierbench site $(sort $(dir $(shell git ls-files 'results/*/run.json')))

lint: ## gofmt, go vet (Linux and darwin) and staticcheck
	@unformatted=$$(gofmt -l cmd servers loadtest); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fuzz: ## fuzz each parser for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done; done

clean: ## remove what was built
	rm -rf bin
