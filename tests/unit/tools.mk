# unit tests of src/tools: check_PROGRAMS += and TESTS += tests/unit/test_NAME
check_PROGRAMS += tests/unit/test_token_store
TESTS += tests/unit/test_token_store
tests_unit_test_token_store_SOURCES = tests/unit/test_token_store.c src/tools/token_command.c src/tools/token_store.c
tests_unit_test_token_store_LDADD = tests/support/libsupport.a libkvhttp.a $(GNUTLS_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_test_token_store_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_fsck_exit
TESTS += tests/unit/test_fsck_exit
tests_unit_test_fsck_exit_SOURCES = tests/unit/test_fsck_exit.c src/tools/fsck_exit.c
tests_unit_test_fsck_exit_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(CHECK_LIBS)
