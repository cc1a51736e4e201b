# unit tests of src/engine: check_PROGRAMS += and TESTS += tests/unit/test_NAME
ENGINE_TEST_LIBS = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/test_iter_merge
TESTS += tests/unit/test_iter_merge
tests_unit_test_iter_merge_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_iter_merge_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_iter_level
TESTS += tests/unit/test_iter_level
tests_unit_test_iter_level_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_iter_level_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_iter_live
TESTS += tests/unit/test_iter_live
tests_unit_test_iter_live_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_iter_live_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
