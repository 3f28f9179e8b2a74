# Builds, installs and tests libzmq. GNU make. `make help` lists what there is: what stands behind ## beside each target.

# libzmq's: what this library stands in for.
VERSION := 4.3.6
SO_MAJOR := 5
SO_VERSION := 5.2.6

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
BINDIR ?= $(PREFIX)/bin
CMAKEDIR := $(LIBDIR)/cmake/ZeroMQ
CARGO ?= cargo
INSTALL ?= install

SONAME := libzmq.so.$(SO_MAJOR)
SHARED_FILE := libzmq.so.$(SO_VERSION)
# What the Rust runtime needs (`rustc --print native-static-libs`) and a C compiler does not link
# by itself.
LIBS_PRIVATE := -lpthread -ldl -lrt -lm -lutil

BUILD := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(BUILD)/release
# What is installed: the same without symbols, and the symbols.
PACKED := $(BUILD)/packed
DEBUG_FILE := $(SHARED_FILE).debug
# Where gdb and its like look for it, beside /usr/lib/debug.
DEBUGDIR := $(LIBDIR)/.debug
# Panic messages and debug information name source files; where those lie on this machine is nobody's business, and makes
# builds differ that are the same. In gdb: set substitute-path /usr/src/zmq-oxide DIRECTORY
REMAP = --remap-path-prefix=$(CURDIR)=/usr/src/zmq-oxide \
	--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/usr/src/cargo \
	--remap-path-prefix=$$(rustc --print sysroot)/lib/rustlib/src/rust=/usr/src/rust
# The same for the C and assembly of crates (ring), which stand in the registry and are built in our directory.
C_REMAP = -ffile-prefix-map=$(CURDIR)=/usr/src/zmq-oxide -ffile-prefix-map=$(or $(CARGO_HOME),$(HOME)/.cargo)=/usr/src/cargo
# Where `make test` and `make demo` install to.
STAGE := $(abspath $(BUILD))/prefix

INSTALLED := \
	$(LIBDIR)/$(SHARED_FILE) $(LIBDIR)/$(SONAME) $(LIBDIR)/libzmq.so $(LIBDIR)/libzmq.a \
	$(DEBUGDIR)/$(DEBUG_FILE) \
	$(INCLUDEDIR)/zmq.h $(INCLUDEDIR)/zmq_utils.h \
	$(PKGCONFIGDIR)/libzmq.pc \
	$(CMAKEDIR)/ZeroMQConfig.cmake $(CMAKEDIR)/ZeroMQConfigVersion.cmake

# A package with a lock-file and a target directory of its own, so that what it uses is no part of the library's.
TOOLS := zmqtop zmqcat zmq-keygen
TOOLS_CARGO = $(CARGO) $(1) --manifest-path tools/zmq-tools/Cargo.toml --locked --target-dir $(BUILD)/tools

# `make bench` installs here, so that it and `make test` may run at the same time.
BENCH_OUT := $(abspath $(BUILD))/bench
BENCH_STAGE := $(BENCH_OUT)/prefix

# A directory below PREFIX as pkg-config can move it with the prefix.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
fill_in = sed \
	-e 's|@PREFIX@|$(PREFIX)|' \
	-e 's|@LIBDIR@|$(call below_prefix,$(LIBDIR))|' \
	-e 's|@INCLUDEDIR@|$(call below_prefix,$(INCLUDEDIR))|' \
	-e "s|@RELATIVE_INCLUDEDIR@|$$(realpath -m --relative-to='$(CMAKEDIR)' '$(INCLUDEDIR)')|" \
	-e 's|@VERSION@|$(VERSION)|' \
	-e 's|@VERSION_MAJOR@|$(firstword $(subst ., ,$(VERSION)))|' \
	-e "s|@POINTER_SIZE@|$$(( $$(getconf LONG_BIT) / 8 ))|" \
	-e 's|@SHARED_FILE@|$(SHARED_FILE)|' \
	-e 's|@SONAME@|$(SONAME)|' \
	-e 's|@LIBS_PRIVATE@|$(2)|'
empty :=
semicolons = $(subst $(empty) $(empty),;,$(strip $(1)))

.PHONY: all help build install tools install-tools uninstall header demo test stage test-packages test-rust test-tools test-c differential test-checked test-install test-instructions loom sim sim-faults fuzz faults asan tsan valgrind aarch64 miri browser test-sanitized terminations soak \
	bench bench-busy bench-growth bench-stage bench-save bench-instructions

all: build ## what `make` does alone: build

help: ## this list
	@awk -F '## ' '/^[a-z0-9-]+:.*## / { split($$1, name, ":"); printf "make %-18s %s\n", name[1], $$2 }' Makefile

build: ## release build of the libraries, in target/release
	RUSTFLAGS="$$RUSTFLAGS $(REMAP)" CFLAGS="$$CFLAGS $(C_REMAP)" $(CARGO) build --release --lib --features reserve

# Files that cargo has left as they were are not packed again.
$(RELEASE)/libzmq.so $(RELEASE)/libzmq.a: build ;
$(PACKED)/$(SHARED_FILE): $(RELEASE)/libzmq.so $(RELEASE)/libzmq.a tools/pack.sh
	tools/pack.sh $(RELEASE) $(PACKED) $(SHARED_FILE)

install: $(PACKED)/$(SHARED_FILE) ## to PREFIX (/usr/local), below DESTDIR if that is set; also LIBDIR, INCLUDEDIR
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(PKGCONFIGDIR)' \
		'$(DESTDIR)$(CMAKEDIR)'
	$(INSTALL) -m 755 $(PACKED)/$(SHARED_FILE) '$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)'
	ln -sf $(SHARED_FILE) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SHARED_FILE) '$(DESTDIR)$(LIBDIR)/libzmq.so'
	$(INSTALL) -m 644 $(PACKED)/libzmq.a '$(DESTDIR)$(LIBDIR)/libzmq.a'
	@if [ -e $(PACKED)/$(DEBUG_FILE) ]; then \
		$(INSTALL) -d '$(DESTDIR)$(DEBUGDIR)' && \
		$(INSTALL) -m 644 $(PACKED)/$(DEBUG_FILE) '$(DESTDIR)$(DEBUGDIR)'; \
	fi
	$(INSTALL) -m 644 include/zmq.h include/zmq_utils.h '$(DESTDIR)$(INCLUDEDIR)'
	@$(call fill_in,pkgconfig,$(LIBS_PRIVATE)) pkgconfig/libzmq.pc.in \
		> '$(DESTDIR)$(PKGCONFIGDIR)/libzmq.pc'
	@for file in ZeroMQConfig ZeroMQConfigVersion; do \
		$(call fill_in,cmake,$(call semicolons,$(LIBS_PRIVATE))) cmake/$$file.cmake.in \
			> '$(DESTDIR)$(CMAKEDIR)'/$$file.cmake || exit; \
	done
	chmod 644 '$(DESTDIR)$(PKGCONFIGDIR)/libzmq.pc' '$(DESTDIR)$(CMAKEDIR)'/*.cmake

# They load libzmq.so.5 when they start: first from LIBDIR, where it lies seen from BINDIR, whatever PREFIX becomes.
tools: ## release build of zmqtop, zmqcat and zmq-keygen
	RUSTFLAGS="$$RUSTFLAGS $(REMAP)" \
		ZMQ_TOOLS_RPATH="\$$ORIGIN/$$(realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)')" \
		$(call TOOLS_CARGO,build) --release --bins

install-tools: tools ## zmqtop, zmqcat and zmq-keygen to BINDIR (PREFIX/bin)
	$(INSTALL) -d '$(DESTDIR)$(BINDIR)'
	$(INSTALL) -m 755 $(addprefix $(BUILD)/tools/release/,$(TOOLS)) '$(DESTDIR)$(BINDIR)'

# The directories may hold files of others; those that are empty go too.
uninstall: ## removes what install and install-tools put there
	rm -f $(patsubst %,'$(DESTDIR)%',$(INSTALLED) $(addprefix $(BINDIR)/,$(TOOLS)))
	@for dir in '$(BINDIR)' '$(DEBUGDIR)' '$(CMAKEDIR)' '$(LIBDIR)/cmake' '$(PKGCONFIGDIR)' '$(LIBDIR)' '$(INCLUDEDIR)'; do \
		rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$dir" 2>/dev/null || true; \
	done

header: ## include/zmq.h from the Rust sources
	UPDATE_HEADER=1 $(CARGO) test --quiet --test header is_up_to_date

demo: stage ## shows the library at work
	tests-c/demo.sh $(STAGE)

test: test-packages test-rust test-tools loom sim test-install test-c test-checked test-sanitized test-instructions ## everything there is to check

test-packages: ## installs the Debian packages that are compared with, if they are missing
	tools/setup-test-packages.sh

test-rust: ## of that, the tests of cargo
	$(CARGO) test --no-fail-fast
	RUSTFLAGS="$$RUSTFLAGS --cfg fuzzing" $(CARGO) check --lib --target-dir $(BUILD)/fuzz-check

test-tools: stage ## of that, zmqtop, zmqcat and zmq-keygen, with this library and with the system's
	ZMQ_TOOLS_LIBDIR=$(STAGE)/lib $(call TOOLS_CARGO,test) --no-fail-fast

# In a directory of its own: the flag is another one for every crate.
loom: ## of that, the models of what threads share (two minutes)
	RUSTFLAGS="$$RUSTFLAGS --cfg loom" $(CARGO) test --target-dir $(BUILD)/loom --profile loom --lib -- models

# A seed decides all of a made-up world (docs/design/simulation.md). In a directory of its own, as above.
# SEED=n runs one again, ALOUD=1 prints all that happens in it, FIRST=n begins elsewhere, SCENARIO=name chooses a kind,
# KEEP_GOING=1 does not stop at the first that fails, TWICE=1 runs each twice.
SEEDS ?= 300
export SEED SEEDS FIRST SCENARIO ALOUD KEEP_GOING TWICE
sim: ## of that, the library in made-up worlds: SEEDS=n many, or SEED=n alone
	RUSTFLAGS="$$RUSTFLAGS --cfg sim" $(CARGO) test --target-dir $(BUILD)/sim --profile sim --test sim

sim-faults: ## takes mends out of copies of it, each of which a made-up world must find (minutes)
	tests/sim/faults/run.sh $(BUILD)/sim-faults

# Not part of `make test`, which feeds the same functions for some seconds.
fuzz: stage ## hostile bytes for FUZZ_SECONDS (30) a target: what the tests do in seconds
	tools/fuzz.sh $(STAGE)

faults: stage ## every call and every malloc fails, every resource runs out, every byte is the last (minutes)
	FAULTS_ALL=1 TESTS_C_PATIENCE=3600 TESTS_C_ONLY=ours TESTS_C_PROGRAMS="t_faults t_shortage t_no_memory" tests-c/run.sh $(STAGE)
	MEDDLE_ALL=1 TESTS_C_PATIENCE=3600 TESTS_C_ONLY=meddle TESTS_C_PROGRAMS=t_utils tests-c/run.sh $(STAGE)

# What may not be watched, and why: tests-c/sanitized-left-out.txt. TESTS_C_PROGRAMS="t_eight t_poll" selects programs. These,
# and miri, stop with "Error 77" where the tool cannot be had, after a line that says what is missing.
asan: stage ## the C tests with AddressSanitizer and LeakSanitizer in them and in the library
	tests-c/sanitized.sh $@ $(STAGE) $(BUILD)

tsan: stage ## the same with ThreadSanitizer
	tests-c/sanitized.sh $@ $(STAGE) $(BUILD)

valgrind: stage ## the same under valgrind's memcheck, with the library as it is installed (long)
	tests-c/sanitized.sh $@ $(STAGE) $(BUILD)

aarch64: stage ## the C tests with a library for that processor, as far as qemu can run them
	tests-c/sanitized.sh $@ $(STAGE) $(BUILD)

# It knows no epoll sets as ours, so only what makes no system call can run; slowly, so most of it was not waited for yet.
miri: ## unit tests that need no system call under Miri, where a nightly toolchain has it
	@$(CARGO) +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri cannot be had here: no nightly toolchain with it (rustup +nightly component add miri rust-src)"; exit 77; }
	MIRIFLAGS=-Zmiri-disable-isolation $(CARGO) +nightly miri test --lib --target-dir $(BUILD)/miri -- wire:: msg:: util:: pattern::

# Not part of `make test`: Chromium is large. Without it this stops with "Error 77" after a line that says so.
browser: stage ## a page without any library, in headless Chromium, speaks with sockets over ws and wss
	tests-c/browser.sh $(STAGE)/lib

# A tool that is missing is said, and no failure.
test-sanitized: stage ## of `make test`, a few programs with valgrind and ThreadSanitizer
	TESTS_C_PROGRAMS="t_ending t_messages t_whole" tests-c/sanitized.sh valgrind $(STAGE) $(BUILD) || [ $$? = 77 ]
	TESTS_C_PROGRAMS="t_eight t_ending" tests-c/sanitized.sh tsan $(STAGE) $(BUILD) || [ $$? = 77 ]

terminations: stage ## ends a context from every state TERMINATIONS (1000) times, with signals meanwhile
	TERMINATIONS=$${TERMINATIONS:-1000} TERMINATION_LOAD=$${TERMINATION_LOAD:-4} TESTS_C_PATIENCE=36000 TESTS_C_ONLY=ours TESTS_C_PROGRAMS=t_termination \
		tests-c/run.sh $(STAGE)

soak: stage ## everything comes and goes for SOAK_SECONDS (3600), flat; random tests from fresh seeds beside it
	tools/soak.sh $(STAGE)

stage: build ## installs to target/prefix, for the tests
	rm -rf $(STAGE)
	$(MAKE) --no-print-directory install PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib \
		INCLUDEDIR=$(STAGE)/include PKGCONFIGDIR=$(STAGE)/lib/pkgconfig DESTDIR=

test-c: stage ## of that, the C tests, with this library and with the system's
	tests-c/run.sh $(STAGE)

# Other scripts than `make test-c` runs, and more of them; a seed that fails is said, and SEED=... COUNT=1 runs it again.
differential: SEED ?= $(shell date +%s)
differential: COUNT ?= 20000
differential: stage ## random scripts of calls on ours and on the system's library: SEED=, COUNT=
	TESTS_C_ONLY=differential TESTS_C_PROGRAMS=t_utils SEED=$(SEED) COUNT=$(COUNT) SCRIPT_SECONDS=$$(( 300 + $(COUNT) / 10 )) \
		tests-c/run.sh $(STAGE)

# Debug assertions say what must hold at each moment; here they are run by everything the C tests do.
CHECKED := $(abspath $(BUILD))/checked
test-checked: stage ## of that, the C tests with a library that checks its invariants as it goes
	$(CARGO) build --profile checked --lib --features reserve
	ln -sf libzmq.so $(CHECKED)/libzmq.so.5
	TESTS_C_ONLY=ours TESTS_C_OURS=$(CHECKED) tests-c/run.sh $(STAGE)

test-install: build ## of that, an installation seen from outside
	tools/test-install.sh

test-instructions: stage ## of that, instructions per message against bench/limits.txt (half a minute)
	bench/check-instructions.sh $(STAGE)

# Every BENCH_* variable reaches the scripts, from the environment or the command line.
export BENCH_ROUNDS BENCH_QUICK BENCH_BUSY BENCH_FILTER BENCH_TIMEOUT BENCH_REFERENCE BENCH_REFERENCE_NAME

bench: bench-stage ## measures against the system's libzmq: bench/README.md
	bench/run.sh $(BENCH_STAGE) $(BENCH_OUT)

bench-busy: bench-stage ## the same while every core has other work
	BENCH_BUSY=1 bench/run.sh $(BENCH_STAGE) $(BENCH_OUT)

bench-growth: bench-stage ## over 1 to 10000 connections and 1 to a million subscriptions
	bench/run.sh $(BENCH_STAGE) $(BENCH_OUT) growth

bench-instructions: bench-stage ## instructions per message, beside the system's libzmq
	bench/instructions.sh $(BENCH_STAGE) $(BENCH_OUT)

bench-stage: ## installs to target/bench/prefix, for the measurements
	$(MAKE) --no-print-directory stage STAGE=$(BENCH_STAGE)

bench-save: ## what the last runs found becomes what the README shows
	cp $(wildcard $(addprefix $(BENCH_OUT)/,table.md chart.svg busy.md growth.md growth.svg)) bench/
