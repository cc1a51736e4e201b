# A unit test is a program of its name in tests/unit; it links with everything below http.
LDADD = tests/support/libsupport.a $(STORE_LIBS) $(CHECK_LIBS)

include tests/unit/base.mk
include tests/unit/engine.mk
include tests/unit/store.mk
include tests/unit/http.mk
include tests/unit/daemon.mk
include tests/integration/local.mk
include tests/crash/local.mk
include tests/support/local.mk
include tests/model/local.mk
include tests/bench/local.mk

TESTS += tests/check_docs.sh tests/check_layers.sh tests/test_check_layers.sh
EXTRA_DIST += tests/check_docs.sh tests/check_layers.sh tests/check_package.sh tests/check_static.sh \
	tests/package_test.sh tests/test_check_layers.sh tests/variant.sh
