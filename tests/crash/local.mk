# The kill -9 test. CYCLES=n sets how many; check-crash-long also asserts the time of a restart.
CRASH_LIBS = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/crash/crash_client tests/crash/test_oracle tests/crash/test_httpclient
TESTS += tests/crash/test_oracle tests/crash/test_httpclient tests/crash/crash_client
LONG_TESTS += tests/crash/crash_client
tests_crash_crash_client_SOURCES = tests/crash/crash_client.c tests/crash/load.c tests/crash/load.h \
	tests/crash/oracle.c tests/crash/oracle.h tests/crash/powerdisk.c tests/crash/powerdisk.h
tests_crash_crash_client_LDADD = $(CRASH_LIBS)
tests_crash_test_oracle_SOURCES = tests/crash/test_oracle.c tests/crash/oracle.c
tests_crash_test_oracle_LDADD = $(CRASH_LIBS)
tests_crash_test_httpclient_LDADD = $(CRASH_LIBS)

# The same with power cuts of an ext4; cut_control tells what the kernel itself loses then
check_PROGRAMS += tests/crash/cut_control
tests_crash_cut_control_SOURCES = tests/crash/cut_control.c tests/crash/powerdisk.c tests/crash/powerdisk.h
tests_crash_cut_control_LDADD = $(CRASH_LIBS)
TESTS += tests/crash/power_cut.sh
LONG_TESTS += tests/crash/power_cut.sh
EXTRA_DIST += tests/crash/power_cut.sh

check-crash-long: all tests/crash/crash_client$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) CYCLES=$${CYCLES:-20000} RESTART_MS=2000 tests/crash/crash_client

.PHONY: check-crash-long
