# unit tests of src/store: check_PROGRAMS += and TESTS += tests/unit/test_NAME
check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
