# Linearizability of concurrent histories over HTTP, across kills. CYCLES=n sets how many kills.
LINEAR_LIBS = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/linear/linear_client tests/linear/test_lincheck
TESTS += tests/linear/test_lincheck tests/linear/linear_client
LONG_TESTS += tests/linear/linear_client
tests_linear_linear_client_SOURCES = tests/linear/linear_client.c tests/linear/traffic.c tests/linear/traffic.h \
	tests/linear/lincheck.c tests/linear/lincheck.h
tests_linear_linear_client_LDADD = $(LINEAR_LIBS)
tests_linear_test_lincheck_SOURCES = tests/linear/test_lincheck.c tests/linear/lincheck.c
tests_linear_test_lincheck_LDADD = $(LINEAR_LIBS)
