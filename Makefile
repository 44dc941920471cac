# "make" alone lists the targets. They need Go and a POSIX shell, no git, and no
# network once the modules are there.
#
# What "make test" takes its time for: compiling everything with the race
# detector the first time; then crashes at every call in ./publisher/journal,
# schedules in ./publisher/outbox, and ./test/..., which waits for real programs
# to stop, to hang and to come back. Packages that wait and packages that compute
# run beside each other.

.DEFAULT_GOAL := help
.PHONY: help build release image image-context run test test-faults test-deploy check fmt-check tidy-check generate-check vuln-check fuzz bench bench-quick bench-check bench-go soak attack clean

VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Outside go.mod: what it needs is much, and the bridge needs none of it.
GOLANGCI     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK  := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME     ?= 30s
TESTTIMEOUT  ?= 20m
SOAKTIMEOUT  ?= 2h
FAULTTIMEOUT ?= 15m
DEPLOYTIMEOUT ?= 18m

# The directories of the modules below this one: tools and tests whose
# dependencies the bridge must not get.
nested = find test -name go.mod -exec dirname {} \; | sort

# Without git, or in a checkout that git does not trust, go must not ask it.
VCS := -buildvcs=$(if $(VERSION),auto,false)

# The race detector needs cgo, and go turns that off without a C compiler.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/treble-bridge
	go build $(VCS) -trimpath -ldflags '-X main.release=$(VERSION)' -o bin/treble-bridge ./cmd/treble-bridge

# The tag takes no plus; without git it is "devel". Another architecture than the
# engine's needs BuildKit: the classic builder does not find its own layers then.
IMAGE      ?= treble-bridge:$(or $(subst +,-,$(VERSION)),devel)
IMAGEARCH  ?= $(shell go env GOARCH)
IMAGEFLAGS ?=
CONTEXT    ?= dist/image

image: image-context ## Build the container image for IMAGEARCH (this machine's), and print its name
	docker build --platform linux/$(IMAGEARCH) --build-arg TARGETARCH=$(IMAGEARCH) $(IMAGEARGS) \
		$(IMAGEFLAGS) --tag '$(IMAGE)' '$(CONTEXT)'
	@echo '$(IMAGE)'

IMAGEARGS = --build-arg VERSION='$(or $(VERSION),devel)' \
	--build-arg REVISION='$(or $(shell git rev-parse HEAD 2>/dev/null),unknown)'

# All that the Dockerfile copies, for each architecture in IMAGEARCH; without git
# and without a Docker engine.
image-context:
	rm -rf '$(CONTEXT)'
	mkdir -p '$(CONTEXT)/data'
	for arch in $(IMAGEARCH); do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build $(VCS) -trimpath -ldflags '-s -w -X main.release=$(VERSION)' \
			-o '$(CONTEXT)'/linux-$$arch/treble-bridge ./cmd/treble-bridge || exit 1; \
	done
	cp deployments/docker/Dockerfile '$(CONTEXT)/'
	chmod -R u=rwX,go=rX '$(CONTEXT)'

release: ## Build the archives of a release for linux and darwin, amd64 and arm64, each with an SBOM, and SHA256SUMS, in dist/
	rm -rf dist
	SOURCE_DATE_EPOCH=$(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null)) \
		go run ./deployments/release -version '$(VERSION)' -out dist

run: build ## Build and start a bridge for a first look: generated token, embedded NATS, store in ./data
	bin/treble-bridge serve --dev

test: ## Run all tests, those in packages with the race detector; those with containers need Docker
ifeq ($(RACE),)
	@echo 'make test: no C compiler, so the race detector is off'
	@test "$(CI)" != true || { echo 'make test: with CI=true that is a failure'; exit 1; }
endif
	@$(MAKE) --no-print-directory -j 4 test-packages test-programs test-long test-bench

.PHONY: test-packages test-programs test-long test-bench
test-packages:
	go test $(RACE) -timeout $(TESTTIMEOUT) $$(go list ./... | grep -v -e '/test/e2e$$' -e '/test/faults$$')

# What they test is a process of its own, built as users have it. The race detector would watch nothing
# but the clients that post to it, and make these three times slower. It does so in make soak.
test-programs:
	go test -timeout $(TESTTIMEOUT) ./test/e2e ./test/faults

# In full, beside the others: what is one goroutine, and long. The race detector, under which a part
# of it runs too, makes it many times slower.
test-long:
	$(if $(RACE),go test -timeout $(TESTTIMEOUT) -run '^Test(Simulation|EverySchedule|LargeBodies|RandomSecrets)' \
		./publisher/outbox ./schema/delivery ./config/value)

test-bench:
	cd test/bench && go test $(RACE) ./...

test-faults: ## Take NATS away from a bridge in every way we know (build tag faults); needs Docker
	go test -tags faults -run '^TestFaults' -count 1 -v -timeout $(FAULTTIMEOUT) ./test/faults

test-deploy: ## Deploy it and consume from it as users do (build tag deploy); needs Docker, node and npm
	go test -tags deploy -run '^TestDeploy' -count 1 -v -timeout $(DEPLOYTIMEOUT) ./test/deploy
	@set -e; for module in test/acme test/compose test/kubernetes; do \
		[ -d $$module ] || continue; \
		echo "== $$module"; \
		(cd $$module && go test -count 1 -v -timeout $(DEPLOYTIMEOUT) ./...); \
	done

check: fmt-check tidy-check generate-check vuln-check ## Check format, go.mod, generated files, known vulnerabilities, and with the linters of .golangci.yml
	go run $(GOLANGCI) run ./...
	@$(nested) | while read -r dir; do \
		echo "== $$dir"; \
		(cd "$$dir" && if [ -n "$$(go list ./... 2>/dev/null)" ]; then go run $(GOLANGCI) run ./...; fi) </dev/null || exit 1; \
	done

fmt-check:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w is needed for:"; echo "$$files"; exit 1; }

tidy-check:
	go mod tidy -diff
	@$(nested) | while read -r dir; do echo "== $$dir"; (cd "$$dir" && go mod tidy -diff) </dev/null || exit 1; done

# Generates into a copy, so that the check changes nothing and needs no git.
generate-check:
	@if grep -rqs --include='*.go' '^//go:generate ' .; then \
		copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
		tar -cf - --exclude ./.git --exclude ./bin --exclude ./data . | tar -xf - -C "$$copy" && \
		(cd "$$copy" && go generate ./...) && \
		diff -r -x .git -x bin -x data . "$$copy" || { echo 'run go generate ./...'; exit 1; }; \
	fi

# Known vulnerabilities in what the bridge calls. Without the network the database is out of
# reach: then nothing is known, and a line says so.
vuln-check:
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && \
	GOBIN="$$tool" go install $(GOVULNCHECK) && \
	{ "$$tool"/govulncheck ./... >"$$tool/found" 2>&1; code=$$?; } ; \
	if [ $$code -eq 0 ]; then echo 'no known vulnerability'; \
	elif grep -q '^govulncheck: fetching vulnerabilities' "$$tool/found"; then \
		echo 'vuln-check: the vulnerability database cannot be reached, so nothing was looked up'; \
	else cat "$$tool/found"; exit 1; fi

# $(call each,Fuzz) prints directory and name of every function in a test file
# whose name starts so. The loops below read from it.
each = grep -rE --include='*_test.go' '^func $(1)[A-Z][A-Za-z0-9_]*\(' . | sed -E 's|^(.*)/[^/]*:func ([A-Za-z0-9_]+).*|\1 \2|' | sort
need = @test -n "$$($(call each,$(1)))" || { echo 'make $@: there is no function $(1)… yet, so nothing was run'; exit 1; }

fuzz: ## Fuzz each target for FUZZTIME (30s)
	$(call need,Fuzz)
	@$(call each,Fuzz) | while read -r dir name; do \
		echo "== $$name in $$dir"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$dir" </dev/null || exit 1; \
	done

# The benchmarks start processes of their own; BENCHFLAGS goes to the program,
# such as BENCHFLAGS='-json /tmp/now.json'; BENCHFLAGS=-h lists them.
BENCHFLAGS ?=
run_bench = cd test/bench && go build $(VCS) -o ../../bin/bench . && exec ../../bin/bench

bench: ## Measure everything side by side and write docs/benchmarks.md; it may take an hour
	$(run_bench) $(BENCHFLAGS) full

bench-check: ## Measure as bench-quick does, and fail if the bridge got worse than recorded by more than the noise
	$(run_bench) $(BENCHFLAGS) check

bench-quick: ## Compare the bridge with the least that a webhook receiver can do, side by side, in three minutes
	$(run_bench) $(BENCHFLAGS) quick

bench-go: ## Run the Go benchmarks of the packages
	$(call need,Benchmark)
	go test -run '^$$' -bench . -benchmem -timeout $(SOAKTIMEOUT) ./...

soak: ## Run the tests that take longer (build tag soak)
	$(call need,TestSoak)
	go test $(RACE) -tags soak -run '^TestSoak' -count 1 -timeout $(SOAKTIMEOUT) ./...

attack: ## Attack the bridge over raw sockets, and measure its memory and a good sender's latency (build tag attack)
	go test -tags attack -run '^TestAttack' -count 1 -v -timeout 10m ./test/attack

# What ./test/containers marks its containers, networks, volumes and images with.
OURS := label=treble-bridge.test
# What the names of the Compose projects of ./test/compose begin with.
PROJECTS := name=treble-bridge-test-

clean: ## Remove what was built, and what killed tests left in Docker; ./data is yours and stays
	rm -rf bin dist
	@if docker info >/dev/null 2>&1; then \
		docker container ls -aq --filter $(OURS) | xargs -r docker container rm -f; \
		docker network ls -q --filter $(OURS) | xargs -r docker network rm; \
		docker network ls -q --filter $(PROJECTS) | xargs -r docker network rm; \
		docker volume ls -q --filter $(OURS) | xargs -r docker volume rm; \
		docker volume ls -q --filter $(PROJECTS) | xargs -r docker volume rm; \
		docker image ls -aq --filter $(OURS) | sort -u | xargs -r docker image rm -f; \
	fi
