# unit tests of src/http: check_PROGRAMS += and TESTS += tests/unit/test_NAME
