# Sluice. `make` builds build/sluice; `make check` is the fast gate; `make test` is everything. Sources and tests are found by
# wildcard: adding one edits no file here.
#   BUILD=dir     where everything goes (default build)         CC=clang CXX=clang++   the other compiler
#   DIRS="base json"   only these folders of src/ (work on one folder while others are in pieces)
#   FUZZ_SECONDS=10    per fuzz target                          V=1   show whole commands

BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 10
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wwrite-strings -Wvla -Wpointer-arith
WARN_C := $(WARN) -Wstrict-prototypes -Wmissing-prototypes
HARDEN ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong
MODE ?= -O2 -g
COMMON := $(MODE) $(HARDEN) -fPIE -fno-omit-frame-pointer -D_GNU_SOURCE -Isrc
# -fno-strict-aliasing: sockets, records and knobs are bytes that are looked at through structs
CFLAGS_ALL = -std=gnu17 $(WARN_C) $(COMMON) -fno-strict-aliasing -isystem $(LLHTTP)/include/llhttp -isystem $(JSC) $(CFLAGS)
CXXFLAGS_ALL = -std=c++17 $(WARN) $(COMMON) -fno-exceptions -fno-rtti $(CXXFLAGS)
LDFLAGS_ALL = $(MODE) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := -luv -lcurl -lsimdjson -ldeflate -lz -lxxhash -lyaml -lcrypto -lseccomp -lmaxminddb -lpthread -lstdc++ -lm

# Debian's node-llhttp ships the parser as C sources
LLHTTP := /usr/share
LLHTTP_SRC := $(wildcard $(LLHTTP)/llhttp/*.c)
# JavaScriptCore is opened at run time by worker processes; only its headers are needed here. acorn becomes part of the program
JSC := /usr/include/webkitgtk-4.1
ACORN := /usr/share/nodejs/acorn/dist/acorn.js

ifdef DIRS
TREE := $(addprefix src/,$(DIRS))
else
TREE := src
endif
ALL_C := $(sort $(shell find $(TREE) -name '*.c'))
ALL_CPP := $(sort $(shell find $(TREE) -name '*.cpp'))
TEST_SRC := $(filter %_test.c,$(ALL_C))
FUZZ_SRC := $(filter %_fuzz.c,$(ALL_C))
LIB_SRC := $(filter-out src/main.c %_test.c %_fuzz.c,$(ALL_C))
BENCH_SRC := $(sort $(wildcard bench/*.c))

OBJ := $(BUILD)/obj
LIB_OBJ := $(LIB_SRC:%.c=$(OBJ)/%.o) $(ALL_CPP:%.cpp=$(OBJ)/%.o) $(LLHTTP_SRC:$(LLHTTP)/llhttp/%.c=$(OBJ)/llhttp/%.o)
# definitions of destinations and sources, and their code, as C (src/destination/embedded.h)
DEFINITIONS := $(sort $(wildcard destinations/*/definition.json sources/*/definition.json destinations/_lib/*.js))
EMBEDDED := $(BUILD)/gen/destination_embedded.c
LIB_OBJ += $(if $(wildcard src/destination),$(OBJ)/gen/destination_embedded.o)
LIB := $(BUILD)/libsluice.a
TESTS := $(TEST_SRC:src/%.c=$(BUILD)/test/%)
FUZZERS := $(FUZZ_SRC:src/%.c=$(BUILD)/fuzz/%)
BENCH_OBJ := $(BENCH_SRC:%.c=$(OBJ)/%.o)

# one short line per step, or the whole command
SAY = $(if $(V),,@echo '  $(1) $@';)

.PHONY: all unit check test lint format format-check tidy asan tsan fuzz fuzz-run bench interop conformance docs install clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/sluice

# ---- compile and link ----

# changes when the compiler or a flag does, so that nothing stale is linked
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL) $(CXX) $(CXXFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS)' | cmp -s - $@ || \
	 echo '$(CC) $(CFLAGS_ALL) $(CXX) $(CXXFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS)' > $@

$(OBJ)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OBJ)/src/transform/assets.o: private CFLAGS += -DACORN_JS='"$(ACORN)"'
$(OBJ)/src/transform/assets.o: $(ACORN) $(wildcard src/transform/*.js)

$(OBJ)/src/destination/assets.o: $(wildcard src/destination/*.js)

$(OBJ)/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CXX )$(CXX) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

$(EMBEDDED): tools/embed $(DEFINITIONS) $(wildcard destinations/*/transform.js sources/*/transform.js) $(BUILD)/definitions
	@mkdir -p $(@D)
	@tools/embed $(DEFINITIONS) > $@

# changes when a definition comes or goes
$(BUILD)/definitions: FORCE
	@mkdir -p $(@D)
	@echo '$(DEFINITIONS)' | cmp -s - $@ || echo '$(DEFINITIONS)' > $@

$(OBJ)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OBJ)/llhttp/%.o: $(LLHTTP)/llhttp/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(COMMON) -DLLHTTP_STRICT_MODE=1 -w -I$(LLHTTP)/include/llhttp -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call SAY,AR  )$(AR) rcs $@ $^

$(BUILD)/sluice: $(OBJ)/src/main.o $(LIB)
	$(call SAY,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/test/%: $(OBJ)/src/%.o $(LIB)
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/fuzz/%: $(OBJ)/src/%.o $(LIB)
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIBS)

$(BUILD)/sluice-bench: $(BENCH_OBJ) $(LIB)
	$(call SAY,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- gates ----

unit: $(TESTS)
	@tools/unit $(TESTS)

check: lint $(TESTS)
	@tools/unit $(TESTS)

test:
	@tools/test

lint:
	@CC='$(CC)' tools/lint

format:
	@tools/format

format-check:
	@tools/format --check

tidy:
	@tools/tidy

SANITIZE = ASAN_OPTIONS=allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1:suppressions=$(abspath test/tsan.supp) \
	$(MAKE) CC=clang CXX=clang++ HARDEN= MODE='-O1 -g -fsanitize=$(1) -fno-sanitize-recover=all' BUILD=$(2)

asan:
	+@$(call SANITIZE,address$(,)undefined,$(BUILD)/asan) unit

# The workers of its tests are the plain program: see transform_testing.h.
tsan: $(BUILD)/sluice
	+@SLUICE_TEST_WORKER=$(abspath $(BUILD)/sluice) $(call SANITIZE,thread,$(BUILD)/tsan) unit

fuzz:
	+@$(call SANITIZE,fuzzer-no-link$(,)address$(,)undefined,$(BUILD)/fuzzing) fuzz-run FUZZ_SECONDS=$(FUZZ_SECONDS)

fuzz-run: $(FUZZERS)
	@tools/fuzz $(FUZZ_SECONDS) $(FUZZERS)

, := ,

bench: all $(BUILD)/sluice-bench
	@BUILD='$(BUILD)' bench/run

interop: all
	@BUILD='$(BUILD)' test/interop/run

conformance: all
	@BUILD='$(BUILD)' test/conformance/run

docs: all
	@BUILD='$(BUILD)' tools/docs

install: all
	install -D -m 755 $(BUILD)/sluice $(DESTDIR)$(PREFIX)/bin/sluice
	install -D -m 644 deploy/sluice.service $(DESTDIR)$(PREFIX)/lib/systemd/system/sluice.service

clean:
	rm -rf $(BUILD)
