# SPDX-License-Identifier: GPL-2.0-only
#
# On an arm64 host with the headers of its kernel: make, make install. On a Debian 12 amd64 machine,
# as root: make demo, make check. "make help" says more.

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
PREFIX ?= /usr/local
# kbuild's name for it. Either one is for all that is installed.
DESTDIR ?= $(INSTALL_MOD_PATH)

.PHONY: all
all: module
	@if $(SMARTCOLS); then $(MAKE) tools; else \
		echo 'vlpictl is left out: it needs libsmartcols (Debian: libsmartcols-dev). The module is built.' >&2; fi

.PHONY: help
help:
	@echo 'On an arm64 host:'
	@echo '  make [all]       the module for the running kernel, and vlpictl'
	@echo '  make module      src/vlpi_broker.ko (KVER=VERSION or KDIR=DIR for another kernel)'
	@echo '  make tools       tools/vlpictl/vlpictl'
	@echo '  make install     both, with depmod (DESTDIR, PREFIX; SIGN_KEY and SIGN_CERT sign the module)'
	@echo '  make uninstall   takes them away again'
	@echo '  make selftest    tools/selftest/vlpi-selftest, which tries the module on this host: see its README.md'
	@echo '  make dkms        the module, built again for each new kernel; make dkms-remove takes it away'
	@echo 'On a Debian amd64 machine, as root; what is missing is installed with apt:'
	@echo '  make demo        the hang and its cure, on emulated GICv4 hosts, stock kernels 6.1 and 7.3'
	@echo '  make check       all tests, on both and on 6.12'
	@echo '  make check-matrix  on each stock Debian kernel and flavour: hours; tests/run/check-matrix --help'
	@echo '  make check-debug  under KASAN, lockdep, kmemleak, KCSAN ..., on kernels built for it: hours'
	@echo '  make check-deploy  install, DKMS and packages, in roots of Debian releases: a quarter of an hour'
	@echo '  make check-qemu  unmodified QEMU, firmware and guests on vDPA and VFIO devices, stock and broker: an hour and a half'
	@echo '  make check-gicv41  on an emulated GICv4.1, for which a QEMU is built first: 7.3 and 6.1, stock and module'
	@echo "  make check-selftests  KVM's own selftests on 7.3, with the module as without it: half an hour"
	@echo '  make check-scale  what one VM pays beside 1,000 others, and a million irqfds, on 6.1 and 7.3: half an hour'
	@echo '  make bench       what an interrupt costs, stock and broker, on 6.1 and 7.3, in instructions: minutes'
	@echo '  make unit        the arbiter as an ordinary program, in seconds; needs gcc only, and any machine'
	@echo '  make bench-scale  what it costs on a host with a million irqfds, in instructions: a minute'
	@echo '  make fuzz        the arbiter under fuzz, ten minutes (FUZZ_SECONDS=N; REPRO=FILE: one input again)'
	@echo "  make fuzz-vlpictl  vlpictl's parsers under fuzz, a minute each (FUZZ_SECONDS=N)"
	@echo '  make model       a model of the arbitration, searched exhaustively by spin: minutes'
	@echo '  make check-planted  break the broker on purpose, one piece at a time: a test must go red'
	@echo '  make check-probes  the feature probes on headers altered as vendors do: minutes'
	@echo '  make check-vendors  modules built for another kernel than the one that runs are refused: minutes'
	@echo '  make lint        W=1, sparse, checkpatch, kernel-doc; shellcheck, pyflakes; licences, names, planted bugs'
	@echo 'Anywhere:'
	@echo '  make clean'

.PHONY: module
module:
	@case "$(ARCH)$$(uname -m)" in arm64*|aarch64) ;; *) \
		echo 'vlpi_broker is for arm64 hosts. "make demo" and "make check" run it on an emulated one.' >&2; \
		exit 1 ;; esac
	@test -e "$(KDIR)/Makefile" || { \
		echo 'No kernel headers in $(KDIR): install linux-headers-$(KVER), or say KDIR=DIR.' >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# Does the compiler find the library? It is nowhere but in the usual places.
SMARTCOLS = printf '\043include <libsmartcols/libsmartcols.h>\n' | \
	$(CC) $(CPPFLAGS) $(SMARTCOLS_CFLAGS) -E -x c -o /dev/null - 2>/dev/null

.PHONY: tools
tools:
	$(MAKE) -C tools/vlpictl VERSION=$(VERSION)

# With the tests' VMM and guest; not part of what is installed.
.PHONY: selftest
selftest:
	@test "$(ARCH)" = arm64 || case $$(uname -m) in aarch64) ;; *) \
		echo 'vlpi-selftest is for arm64 hosts. "make check" runs it on an emulated one.' >&2; exit 1 ;; esac
	@test -e "$(KDIR)/Makefile" || { \
		echo 'No kernel headers in $(KDIR): install linux-headers-$(KVER), or say KDIR=DIR.' >&2; exit 1; }
	$(MAKE) -C tests OUT=$(CURDIR)/tools/selftest LINK= $(CURDIR)/tools/selftest/vlpi-selftest
	$(MAKE) -C $(KDIR) M=$(CURDIR)/tools/selftest modules
	@test -e tools/selftest/vlpi_selftest.ko || { \
		echo 'vlpi-selftest needs a kernel from 5.17 on: older ones can raise no interrupt for it.' >&2; exit 1; }

# Not by kbuild's modules_install: that needs the kernel's System.map for depmod, and its private key to sign, and
# headers of distributions have neither.
RELEASE = $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
MOD_ROOT = $(or $(INSTALL_MOD_PATH),$(DESTDIR))
INSTALL_MOD_DIR ?= updates
MOD_TOP = $(MOD_ROOT)/lib/modules/$(RELEASE)
MODULE = $(MOD_TOP)/$(INSTALL_MOD_DIR)/vlpi_broker.ko
# A kernel that was built here signs what it takes. Another key: SIGN_KEY=, SIGN_CERT=.
SIGN_KEY ?= $(wildcard $(KDIR)/certs/signing_key.pem)
SIGN_CERT ?= $(wildcard $(KDIR)/certs/signing_key.x509)
SIGN_HASH ?= sha256

# Where the kernel itself is not below MOD_ROOT, as when a package is made, there is nothing to be made of depmod.
DEPMOD ?= depmod
RUN_DEPMOD = if test -e $(MOD_TOP)/modules.order; then \
		PATH="$$PATH:/usr/sbin:/sbin" $(DEPMOD) $(if $(MOD_ROOT),-b $(MOD_ROOT)) $(RELEASE); \
	else echo 'No depmod: kernel $(RELEASE) is not in $(MOD_ROOT)/lib/modules.'; fi

.PHONY: install
install: all install-module
	@if test -e tools/vlpictl/vlpictl; then $(MAKE) install-tools; \
	else echo 'vlpictl is not installed: it was not built.' >&2; fi

.PHONY: install-module
install-module: module
	@test -n "$(RELEASE)" || { echo 'No include/generated/utsrelease.h in $(KDIR).' >&2; exit 1; }
	install -D -m 0644 vlpi_broker.ko $(MODULE)
	$(if $(SIGN_KEY),$(KDIR)/scripts/sign-file $(SIGN_HASH) $(SIGN_KEY) $(SIGN_CERT) $(MODULE))
	@$(RUN_DEPMOD)

.PHONY: install-tools
install-tools:
	$(MAKE) -C tools/vlpictl install VERSION=$(VERSION) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

.PHONY: uninstall
uninstall:
	@test -n "$(RELEASE)" || { echo 'No include/generated/utsrelease.h in $(KDIR).' >&2; exit 1; }
	rm -f $(MODULE)
	-@rmdir --ignore-fail-on-non-empty $(dir $(MODULE)) 2>/dev/null
	@test ! -e $(MOD_TOP) || { $(RUN_DEPMOD); }
	$(MAKE) -C tools/vlpictl uninstall PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

# What DKMS needs to build the module, and no more.
DKMS_FILES := dkms.conf Kbuild COPYING LICENSES src include tools/dkms
DKMS_SRC := /usr/src/vlpi_broker-$(VERSION)

.PHONY: install-dkms
install-dkms:
	install -d $(DESTDIR)$(DKMS_SRC)
	tar -c --exclude='*.o' --exclude='.*.cmd' --exclude=probed.h $(DKMS_FILES) | \
		tar -x --no-same-owner --no-same-permissions -C $(DESTDIR)$(DKMS_SRC)

.PHONY: dkms
dkms: install-dkms
	dkms add vlpi_broker/$(VERSION)
	dkms install vlpi_broker/$(VERSION) -k $(KVER)

.PHONY: dkms-remove
dkms-remove:
	dkms remove vlpi_broker/$(VERSION) --all
	rm -rf $(DKMS_SRC)

# What runs the tests is written in Python, which a bare machine lacks.
.PHONY: python
python:
	@tests/run/need python3=python3

.PHONY: demo
demo:
	tests/demo/run

.PHONY: check
check: python
	tests/run/check

.PHONY: check-matrix
check-matrix: python
	tests/run/check-matrix

.PHONY: check-debug
check-debug: python
	tests/run/check-debug

.PHONY: check-deploy
check-deploy:
	tests/deploy/run

.PHONY: check-qemu
check-qemu: python
	tests/run/check-qemu

.PHONY: check-gicv41
check-gicv41: python
	tests/run/check-gicv41

.PHONY: check-selftests
check-selftests: python
	tests/run/check-selftests

.PHONY: check-scale
check-scale: python
	for kernel in 6.1 7.3; do \
		tests/lab/run --kernel $$kernel --module --no-load --icount --mem 4 --timeout 3600 scale || exit; \
	done

.PHONY: bench
bench: python
	tests/run/bench

.PHONY: unit
unit:
	@tests/run/need cc=gcc /usr/include/stdio.h=libc6-dev
	$(MAKE) -C tests/arbiter/unit check

.PHONY: bench-scale
bench-scale: python
	@tests/run/need cc=gcc /usr/include/stdio.h=libc6-dev valgrind=valgrind
	tests/arbiter/scale/run

.PHONY: fuzz
fuzz:
	tests/arbiter/fuzz/run $(if $(REPRO),--repro "$(REPRO)",--seconds $(or $(FUZZ_SECONDS),600))

.PHONY: fuzz-vlpictl
fuzz-vlpictl:
	tools/vlpictl/fuzz/run $(or $(FUZZ_SECONDS),60)

.PHONY: model
model:
	tests/arbiter/model/run

.PHONY: check-probes
check-probes: python
	tests/run/check-probes

.PHONY: check-vendors
check-vendors: python
	tests/run/check-vendors

.PHONY: check-planted
check-planted: python
	tests/run/check-planted

.PHONY: lint
lint:
	tests/run/lint

.PHONY: clean
clean:
	rm -rf *.ko *.mod *.mod.c *.mod.o *.o .*.cmd Module.symvers modules.order .module-common.o
	rm -f src/*.o src/.*.cmd src/*.tmp src/probed.h
	cd tools/selftest && rm -rf vlpi-selftest .obj .module-common.o *.ko *.mod *.mod.c *.mod.o *.o .*.cmd \
		Module.symvers modules.order
	$(MAKE) -C tests/arbiter/unit clean
	$(MAKE) -C tests/arbiter/fuzz clean
	$(MAKE) -C tests/arbiter/scale clean
	$(MAKE) -C tools/vlpictl clean
