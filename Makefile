# "make" alone lists the targets. They need Go and a POSIX shell, no git, and no
# network once the modules are there.
#
# What "make test" takes its time for: compiling everything with the race
# detector the first time; then bodies of 10 MB in ./schema, and the containers
# of ./test, which wait for real programs to stop, to hang and to come back.

.DEFAULT_GOAL := help
.PHONY: help build release run test test-faults check fmt-check tidy-check generate-check fuzz bench soak clean

VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME     ?= 30s
TESTTIMEOUT  ?= 10m
SOAKTIMEOUT  ?= 2h
FAULTTIMEOUT ?= 15m

# Without git, or in a checkout that git does not trust, go must not ask it.
VCS := -buildvcs=$(if $(VERSION),auto,false)

# The race detector needs cgo, and go turns that off without a C compiler.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/treble-bridge
	go build $(VCS) -trimpath -ldflags '-X main.release=$(VERSION)' -o bin/treble-bridge ./cmd/treble-bridge

release: ## Build the archives of a release for linux and darwin, amd64 and arm64, and SHA256SUMS, in dist/
	rm -rf dist
	SOURCE_DATE_EPOCH=$(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null)) \
		go run ./deployments/release -version '$(VERSION)' -out dist

run: build ## Build and start a bridge for a first look: generated token, embedded NATS, store in ./data
	bin/treble-bridge serve --dev

test: ## Run all tests with the race detector; those with containers need Docker
ifeq ($(RACE),)
	@echo 'make test: no C compiler, so the race detector is off'
	@test "$(CI)" != true || { echo 'make test: with CI=true that is a failure'; exit 1; }
endif
	go test $(RACE) -timeout $(TESTTIMEOUT) ./...

test-faults: ## Take NATS away from a bridge in every way we know (build tag faults); needs Docker
	go test -tags faults -run '^TestFaults' -count 1 -v -timeout $(FAULTTIMEOUT) ./test

check: fmt-check tidy-check generate-check ## Check format, vet, staticcheck, go.mod and generated files
	go vet ./...
	go vet -tags soak,faults,mutate ./...
	go run $(STATICCHECK) -tags soak,faults ./...

fmt-check:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w is needed for:"; echo "$$files"; exit 1; }

tidy-check:
	go mod tidy -diff

# Generates into a copy, so that the check changes nothing and needs no git.
generate-check:
	@if grep -rqs --include='*.go' '^//go:generate ' .; then \
		copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
		tar -cf - --exclude ./.git --exclude ./bin --exclude ./data . | tar -xf - -C "$$copy" && \
		(cd "$$copy" && go generate ./...) && \
		diff -r -x .git -x bin -x data . "$$copy" || { echo 'run go generate ./...'; exit 1; }; \
	fi

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

bench: ## Run the benchmarks, side by side with what they are compared to
	$(call need,Benchmark)
	go test -run '^$$' -bench . -benchmem -timeout $(SOAKTIMEOUT) ./...

soak: ## Run the tests that take longer (build tag soak)
	$(call need,TestSoak)
	go test $(RACE) -tags soak -run '^TestSoak' -count 1 -timeout $(SOAKTIMEOUT) ./...

# What ./test/containers marks its containers, networks and images with.
OURS := label=treble-bridge.test

clean: ## Remove what was built, and what killed tests left in Docker; ./data is yours and stays
	rm -rf bin dist
	@if docker info >/dev/null 2>&1; then \
		docker container ls -aq --filter $(OURS) | xargs -r docker container rm -f; \
		docker network ls -q --filter $(OURS) | xargs -r docker network rm; \
		docker image ls -aq --filter $(OURS) | sort -u | xargs -r docker image rm -f; \
	fi
