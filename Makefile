# engram: short names for what is done often. `make help` lists them; CMakePresets.json has the rest.
PRESET ?= release
BUILD  := build/$(PRESET)
JOBS   ?= $(shell nproc)
export CTEST_PARALLEL_LEVEL ?= $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-stop test bench fuzz crash flow sanitize tidy format docs sim explore clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup:  ## install what is missing (apt-get), say beforehand what and how long
	@tools/setup.sh

$(BUILD)/build.ninja: setup
	@[ -f $@ ] || cmake --preset $(PRESET)

build: $(BUILD)/build.ninja  ## the release binary, at build/release/engram
	@cmake --build $(BUILD) --target engram -j $(JOBS)

demo: build  ## the main job on real input: import, recall, kill -9, count; nothing may be lost
	@$(BUILD)/engram demo --data-dir build/demo --repository .

demo-stop:  ## stop the server that the demo left running
	@[ ! -f build/demo/server.pid ] || kill $$(cat build/demo/server.pid) || true

test: $(BUILD)/build.ninja  ## the whole suite
	@cmake --build $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure

sim: $(BUILD)/build.ninja  ## simulated clusters under trouble, SEEDS=2000 of them; prints those that fail
	@cmake --build $(BUILD) --target simulate -j $(JOBS)
	@$(BUILD)/bin/simulate 1 $(or $(SEEDS),2000) $(JOBS)

explore: $(BUILD)/build.ninja  ## every state of a small cluster within bounds, STATES=5000000 of them
	@cmake --build $(BUILD) --target explore -j $(JOBS)
	@$(BUILD)/bin/explore $(or $(STATES),5000000)

bench: build  ## the benchmarks, as JSON lines with the limit of the same run
	@$(BUILD)/engram bench all --data-dir build/bench

fuzz: PRESET := fuzz
fuzz:  ## libFuzzer targets, SECONDS=60 each
	@tools/setup.sh clang libclang-rt-14-dev
	@[ -f build/fuzz/build.ninja ] || cmake --preset fuzz
	@cmake --build build/fuzz -j $(JOBS) --target fuzzers
	@tools/fuzz.sh build/fuzz $(or $(SECONDS),60)

crash: $(BUILD)/build.ninja  ## kill -9 under load and histories of clients, CYCLES=50 times each
	@cmake --build $(BUILD) -j $(JOBS) --target engram engram_unfenced
	@tests/crash/kill_cycles.py $(BUILD)/engram --cycles $(or $(CYCLES),50)
	@tests/crash/pair_cycles.py $(BUILD)/engram --cycles $(or $(CYCLES),50)
	@tests/crash/history_cycles.py $(BUILD)/engram --cycles $(or $(CYCLES),50)
	@tests/crash/history_cycles.py $(BUILD)/engram --unfenced $(BUILD)/bin/engram_unfenced

flow: build  ## bad replicas and networks, SECONDS=60 of each trouble: stopped, slow, late, cut by the kernel
	@tests/e2e/flow_test.py $(BUILD)/engram --seconds $(or $(SECONDS),60)
	@tests/e2e/netns_test.py $(BUILD)/engram --seconds $(or $(SECONDS),60) || [ $$? -eq 77 ]

sanitize: export TSAN_OPTIONS = suppressions=$(CURDIR)/tools/tsan.supp
sanitize: export LSAN_OPTIONS = suppressions=$(CURDIR)/tools/lsan.supp
sanitize: setup  ## unit tests under address, undefined and thread sanitizers
	@for p in asan-ubsan tsan; do \
	  [ -f build/$$p/build.ninja ] || cmake --preset $$p || exit 1; \
	  cmake --build build/$$p -j $(JOBS) && ctest --test-dir build/$$p -L unit --output-on-failure || exit 1; \
	done

tidy:  ## clang-tidy over the sources, with clang's thread-safety analysis
	@tools/setup.sh clang clang-tidy
	@[ -f build/clang/build.ninja ] || cmake --preset clang
	@cmake --build build/clang -j $(JOBS)
	@run-clang-tidy -quiet -p build/clang -j $(JOBS) "$(CURDIR)/src/engram/.*\.cc"

format:  ## clang-format over the tree
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

docs: build  ## write the generated docs again (errors, metrics, configuration)
	@$(BUILD)/engram docs --out docs

clean:  ## remove every build
	@rm -rf build
