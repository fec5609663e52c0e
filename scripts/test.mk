# Tests, fuzzing and benchmarks.

RACE := $(shell $(GO) env CGO_ENABLED | grep -q 1 && echo -race)

.PHONY: test
test: ## all tests that need nothing but Go, with the race detector
	$(GO) test $(RACE) -timeout 8m ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

.PHONY: bench
bench: ## the figures of the hot paths, each beside its peer in the same run
	$(GO) test -run '^$$' -bench . -benchmem ./usp/... ./cwmp/soap ./cwmp/acs ./mtp/... ./routing ./translate/...

.PHONY: interop
interop: ## against real peers, which this installs
	scripts/interop.sh

.PHONY: soak
soak: ## the long runs
	$(MAKE) fuzz FUZZTIME=5m
