# unit tests of src/daemon: check_PROGRAMS += and TESTS += tests/unit/test_NAME
