# unit tests of src/daemon: check_PROGRAMS += and TESTS += tests/unit/test_NAME
DAEMON_TEST_LIBS = tests/support/libsupport.a libkvdaemon.a $(CONFUSE_LIBS) $(SYSTEMD_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/test_options
TESTS += tests/unit/test_options
tests_unit_test_options_LDADD = $(DAEMON_TEST_LIBS)
check_PROGRAMS += tests/unit/test_config
TESTS += tests/unit/test_config
tests_unit_test_config_LDADD = $(DAEMON_TEST_LIBS)
