# SPDX-License-Identifier: MIT
# make, make test, make demo, make install PREFIX=... DESTDIR=...; docs: README.md
#
# Everything made lies under $(BUILD), laid out so that build/nncc finds what it needs beside itself:
#   build/nncc, build/libnnrt.a, build/templates/, build/include/, build/share/runtime/

VERSION  = 0.1.0
BUILD    = build
PREFIX   = /usr/local
DESTDIR  =
CFLAGS   = -O2 -g
WARNINGS = -Wall -Wextra
PYTHON   = /usr/bin/python3

# Where V=1, the commands are shown.
Q     = $(if $(filter 1,$(V)),,@)
say   = $(if $(filter 1,$(V)),,@echo "  $(1)	$(2)")

# OpenMP where the compiler can link it. The runtime gives the same bits without.
OPENMP  := $(shell t=$$(mktemp) && echo 'int main(void) { return 0; }' | \
             $(CC) -fopenmp -x c - -o "$$t" >/dev/null 2>&1 && echo -fopenmp; rm -f "$$t")
# libsndfile, where it is: programs that read sound link it then, and know FLAC and its like.
SNDFILE := $(shell t=$$(mktemp) && printf '\043include <sndfile.h>\nint main(void) { return sf_error(0) & 0; }\n' | \
             $(CC) -x c - -o "$$t" -lsndfile >/dev/null 2>&1 && echo -lsndfile; rm -f "$$t")
# libpng and libjpeg: the same for programs that read images. (jpeglib.h wants stdio.h before it.)
PNG     := $(shell t=$$(mktemp) && printf '\043include <png.h>\nint main(void) { return png_access_version_number() == 0; }\n' | \
             $(CC) -x c - -o "$$t" -lpng >/dev/null 2>&1 && echo -lpng; rm -f "$$t")
JPEG    := $(shell t=$$(mktemp) && printf '\043include <stdio.h>\n\043include <jpeglib.h>\nint main(void) { struct jpeg_error_mgr e; return !jpeg_std_error(&e); }\n' | \
             $(CC) -x c - -o "$$t" -ljpeg >/dev/null 2>&1 && echo -ljpeg; rm -f "$$t")
ALL_CPPFLAGS = $(if $(PNG),-DNNRT_PNG='"$(PNG)"') $(if $(JPEG),-DNNRT_JPEG='"$(JPEG)"') $(if $(SNDFILE),-DNNRT_SNDFILE='"$(SNDFILE)"') -DNNCC_VERSION='"$(VERSION)"' -D_GNU_SOURCE $(CPPFLAGS)
ALL_CFLAGS   = -std=c11 $(WARNINGS) $(CFLAGS)
# The runtime's bits must not depend on how the compiler contracts a * b + c, nor on errno.
RT_CFLAGS    = $(ALL_CFLAGS) $(OPENMP) -O3 -fno-math-errno -ffp-contract=off
LIBS         = -lyaml -lz $(SNDFILE) $(PNG) $(JPEG) -lpthread -lm

COMPILER_C := $(sort $(wildcard compiler/*/*.c))
MAIN_C     := $(wildcard compiler/main.c)
RUNTIME_C  := $(sort $(wildcard runtime/*.c))
RUNTIME_H  := $(sort $(wildcard runtime/*.h))
TEMPLATES  := $(sort $(wildcard templates/*.c templates/*.h))
UNIT_C     := $(sort $(wildcard tests/unit/test_*.c))

COMPILER_O := $(COMPILER_C:%.c=$(BUILD)/obj/%.o)
MAIN_O     := $(MAIN_C:%.c=$(BUILD)/obj/%.o)
RUNTIME_O  := $(RUNTIME_C:%.c=$(BUILD)/obj/%.o)
UNITS      := $(UNIT_C:tests/unit/%.c=$(BUILD)/tests/%)
BESIDE     := $(TEMPLATES:%=$(BUILD)/%) $(RUNTIME_H:runtime/%=$(BUILD)/include/%) \
              $(RUNTIME_C:%=$(BUILD)/share/%) $(RUNTIME_H:%=$(BUILD)/share/%)

all: $(BUILD)/libnnrt.a $(BUILD)/libnncc.a $(BESIDE) $(if $(MAIN_C),$(BUILD)/nncc)

# Of the runtime nncc links what writes pages.
$(BUILD)/nncc: $(MAIN_O) $(BUILD)/libnncc.a $(BUILD)/libnnrt.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libnncc.a: $(COMPILER_O)
$(BUILD)/libnnrt.a: $(RUNTIME_O)
$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/obj/runtime/%.o: runtime/%.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) $(RT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/templates/%: templates/%
	$(Q)mkdir -p $(@D) && cp $< $@
$(BUILD)/include/%: runtime/%
	$(Q)mkdir -p $(@D) && cp $< $@
$(BUILD)/share/runtime/%: runtime/%
	$(Q)mkdir -p $(@D) && cp $< $@

# Unit tests: one program a file, so that one that does not build takes no other with it.
$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libnncc.a $(BUILD)/libnnrt.a Makefile
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) -Icompiler -Iruntime $(ALL_CFLAGS) $(OPENMP) -MMD -MP \
	    -MF $@.d -rdynamic $(LDFLAGS) -o $@ $< $(BUILD)/libnncc.a $(BUILD)/libnnrt.a -lcriterion $(LIBS)

units: $(UNITS)

test: all $(BUILD)/tables
	-$(Q)$(MAKE) --no-print-directory -k units
	$(Q)BUILD=$(BUILD) CC="$(CC)" PYTHON="$(PYTHON)" sh tests/run $(TESTS)

# Compiler, runtime and unit tests under AddressSanitizer and UndefinedBehaviorSanitizer.
asan:
	$(Q)$(MAKE) --no-print-directory test BUILD=build-asan TESTS="$(if $(TESTS),$(TESTS),unit diag)" \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	    LDFLAGS="-fsanitize=address,undefined"

# Fuzzers of the front end and the readers: FUZZ_SECONDS of each, from a corpus made of the tests' files.
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) $(BUILD)/libnncc.a $(BUILD)/libnnrt.a Makefile
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) -DFUZZ_TEMPLATES='"$(CURDIR)/templates"' -Icompiler -Iruntime \
	    $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(BUILD)/libnncc.a $(BUILD)/libnnrt.a $(LIBS)

fuzzers: $(FUZZERS)

FUZZ_SECONDS = 60
fuzz-build:
	$(Q)$(MAKE) --no-print-directory fuzzers BUILD=build-fuzz CC=clang OPENMP= LDFLAGS="-fsanitize=address,undefined" \
	    CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
fuzz: fuzz-build
	$(Q)sh tests/fuzz/run build-fuzz/fuzz $(FUZZ_SECONDS)

demo: all
	$(Q)BUILD=$(BUILD) sh examples/digits/run.sh

# docs/tables.md, from the tables that the compiler reads.
$(BUILD)/tables: docs/tables.c $(BUILD)/libnncc.a Makefile
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(BUILD)/libnncc.a $(LIBS)

docs: $(BUILD)/tables
	$(BUILD)/tables compiler/ops/ops.def >docs/tables.md

bench: all
	$(Q)BUILD=$(BUILD) sh bench/run.sh

install: all
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(DESTDIR)$(PREFIX)/include" \
	    "$(DESTDIR)$(PREFIX)/share/nncc/templates" "$(DESTDIR)$(PREFIX)/share/nncc/runtime" \
	    "$(DESTDIR)$(PREFIX)/share/man/man1"
	$(if $(MAIN_C),install -m 755 $(BUILD)/nncc "$(DESTDIR)$(PREFIX)/bin/")
	install -m 644 $(BUILD)/libnnrt.a "$(DESTDIR)$(PREFIX)/lib/"
	install -m 644 $(filter runtime/nnrt%.h,$(RUNTIME_H)) "$(DESTDIR)$(PREFIX)/include/"
	$(if $(TEMPLATES),install -m 644 $(TEMPLATES) "$(DESTDIR)$(PREFIX)/share/nncc/templates/")
	install -m 644 $(RUNTIME_C) $(RUNTIME_H) "$(DESTDIR)$(PREFIX)/share/nncc/runtime/"
	install -m 644 nncc.1 "$(DESTDIR)$(PREFIX)/share/man/man1/"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@OPENMP@|$(OPENMP)|' -e 's|@SNDFILE@|$(SNDFILE) $(PNG) $(JPEG)|' nncc.pc.in \
	    >"$(DESTDIR)$(PREFIX)/lib/pkgconfig/nncc.pc"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/nncc" "$(DESTDIR)$(PREFIX)/lib/libnnrt.a" \
	    "$(DESTDIR)$(PREFIX)/lib/pkgconfig/nncc.pc" "$(DESTDIR)$(PREFIX)/share/man/man1/nncc.1"
	for h in $(notdir $(RUNTIME_H)); do rm -f "$(DESTDIR)$(PREFIX)/include/$$h"; done
	rm -rf "$(DESTDIR)$(PREFIX)/share/nncc"

format:
	clang-format -i $(wildcard compiler/*.c compiler/*/*.c compiler/*/*.h runtime/*.c runtime/*.h templates/*.c \
	    tests/unit/*.c examples/*/*.c docs/*.c bench/*.c)

# clang-tidy, a file at a time and only what has changed since it last passed; cppcheck. Two jobs.
LINTED   := $(MAIN_C) $(COMPILER_C) $(RUNTIME_C)
LINT_ON  := .clang-tidy $(wildcard compiler/*/*.h compiler/*/*.def) $(RUNTIME_H)

$(BUILD)/lint/%.ok: %.c $(LINT_ON)
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D) && clang-tidy --quiet $< -- -std=c11 $(ALL_CPPFLAGS) $(OPENMP) 2>$@.log || \
	    { cat $@.log; exit 1; }
	$(Q)touch $@

tidy: $(LINTED:%.c=$(BUILD)/lint/%.ok)

# shiftTooManyBitsSigned: gcc and clang, which alone are supported, shift the sign in.
lint:
	$(Q)$(MAKE) --no-print-directory -k -j2 tidy
	cppcheck -j2 --std=c11 --enable=warning,performance,portability --inline-suppr --quiet --error-exitcode=1 \
	    --library=.cppcheck.cfg --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
	    --suppress=shiftTooManyBitsSigned $(ALL_CPPFLAGS) compiler runtime

clean:
	rm -rf $(BUILD) build-asan build-fuzz

.PHONY: all units test asan fuzzers fuzz-build fuzz demo docs bench install uninstall format tidy lint clean
.SUFFIXES:
.SECONDARY:

-include $(COMPILER_O:.o=.d) $(MAIN_O:.o=.d) $(RUNTIME_O:.o=.d) $(UNITS:=.d) $(BUILD)/tables.d
