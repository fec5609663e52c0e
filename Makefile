# uspgate: make help lists the targets.

GO          ?= go
FUZZTIME    ?= 60s
FUZZPKGS    ?= ./...
SOAKTIME    ?= 5m
ORACLETIME  ?= 15m
BIN         := bin/uspgate
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
LINT        := bin/golangci-lint
LINT_VERSION := v2.7.0

RACE := $(shell $(GO) env CGO_ENABLED | grep -q 1 && echo -race)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/uspgate
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/uspgate

.PHONY: demo
demo: build ## the gateway with three simulated CPE and a Controller, end to end
	$(BIN) demo

.PHONY: test
test: ## all tests that need nothing but Go, with the race detector
	$(GO) test $(RACE) -timeout 8m ./...

.PHONY: fuzz
fuzz: ## every fuzz target of FUZZPKGS for FUZZTIME
	@set -e; for pkg in $$($(GO) list $(FUZZPKGS)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

.PHONY: bench
bench: ## the figures of the hot paths, each beside its peer in the same run
	$(GO) test -run '^$$' -bench . -benchmem ./usp/... ./cwmp/soap ./cwmp/acs ./mtp/... ./routing ./internal/engine ./internal/cluster ./translate/...
	$(GO) run ./test/bench $(BENCHFLAGS)

.PHONY: interop
interop: ## against real peers, which this installs
	scripts/interop.sh

.PHONY: soak
soak: ## the long runs: the codec against encoding/xml for ORACLETIME, every fuzz target for SOAKTIME, and more
	$(GO) test -run '^$$' -fuzz '^FuzzOracle$$' -fuzztime $(ORACLETIME) ./cwmp/soap
	$(MAKE) fuzz FUZZTIME=$(SOAKTIME)
	$(GO) test -tags soak -run FiftyThousand -count=1 -v ./mtp/ws
	$(GO) test -tags soak -run Million -count=1 -v ./internal/engine
	$(GO) test -tags soak -run Soak -count=1 -timeout 30m -v ./test/kill
	$(GO) test -tags soak -run Soak -count=1 -timeout 15m -v ./test/storm
	$(GO) test -tags soak -run Any -count=1 -timeout 30m -v ./test/property

.PHONY: generate
generate: ## make the generated code anew
	$(GO) generate ./...

.PHONY: verify-generate
verify-generate: generate ## fail if the generated code is not what is committed
	git diff --exit-code -- '*.pb.go' cwmp/wsdl configs docs

.PHONY: lint
lint: $(LINT) ## golangci-lint and the house rules
	$(LINT) run
	$(LINT) fmt --diff

$(LINT):
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: notices
notices: ## the licences of what is linked into the binary
	$(GO) run ./scripts/notices > NOTICES

.PHONY: docs
docs: ## the documents that are made from the code
	$(GO) test ./internal/config -run TestReferenceFile -update
	$(GO) test ./test/docs -run 'Reference|Deviation|Quirk' -update

.PHONY: ci
ci: lint verify-generate test interop demo ## what CI runs

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
