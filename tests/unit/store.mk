# unit tests of src/store: check_PROGRAMS += and TESTS += tests/unit/test_NAME
