# unit tests of src/engine: check_PROGRAMS += and TESTS += tests/unit/test_NAME
