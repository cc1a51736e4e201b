# A unit test is a program of its name in tests/unit; it links with everything below http.
LDADD = tests/support/libsupport.a $(STORE_LIBS) $(CHECK_LIBS)

# The longest first, so that none is left running alone at the end.
include tests/crash/local.mk
include tests/linear/local.mk
include tests/model/local.mk
include tests/integration/local.mk
include tests/unit/base.mk
include tests/unit/engine.mk
include tests/unit/store.mk
include tests/unit/http.mk
include tests/unit/daemon.mk
include tests/unit/tools.mk
include tests/support/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk

TESTS += tests/check_docs.sh tests/check_layers.sh tests/test_check_layers.sh
EXTRA_DIST += tests/check_docs.sh tests/check_layers.sh tests/check_package.sh tests/check_static.sh \
	tests/package_test.sh tests/test_check_layers.sh tests/variant.sh
EXTRA_DIST += tests/mutants
