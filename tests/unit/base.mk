# unit tests of src/base: check_PROGRAMS += and TESTS += tests/unit/test_NAME
BASE_TEST_LIBS = tests/support/libsupport.a $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/test_status
TESTS += tests/unit/test_status
tests_unit_test_status_LDADD = $(BASE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_slice
TESTS += tests/unit/test_slice
tests_unit_test_slice_LDADD = $(BASE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_buf
TESTS += tests/unit/test_buf
tests_unit_test_buf_LDADD = $(BASE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_coding
TESTS += tests/unit/test_coding
tests_unit_test_coding_LDADD = $(BASE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_checksum
TESTS += tests/unit/test_checksum
tests_unit_test_checksum_LDADD = $(BASE_TEST_LIBS)
