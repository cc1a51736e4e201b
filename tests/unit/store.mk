# unit tests of src/store: check_PROGRAMS += and TESTS += tests/unit/test_NAME
check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
check_PROGRAMS += tests/unit/test_recover
TESTS += tests/unit/test_recover
tests_unit_test_recover_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_commit
TESTS += tests/unit/test_commit
tests_unit_test_commit_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_flush
TESTS += tests/unit/test_flush
tests_unit_test_flush_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_compaction
TESTS += tests/unit/test_compaction
check_PROGRAMS += tests/unit/test_engine
TESTS += tests/unit/test_engine
