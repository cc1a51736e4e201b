# unit tests of src/base: check_PROGRAMS += and TESTS += tests/unit/test_NAME
