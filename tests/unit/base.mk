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
tests_unit_test_buf_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_coding
TESTS += tests/unit/test_coding
tests_unit_test_coding_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_coding_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_checksum
TESTS += tests/unit/test_checksum
tests_unit_test_checksum_LDADD = $(BASE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_arena
TESTS += tests/unit/test_arena
tests_unit_test_arena_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_arena_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_file
TESTS += tests/unit/test_file
tests_unit_test_file_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_file_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
check_PROGRAMS += tests/unit/test_clock
TESTS += tests/unit/test_clock
tests_unit_test_clock_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_clock_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
check_PROGRAMS += tests/unit/test_log
TESTS += tests/unit/test_log
tests_unit_test_log_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_log_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK) -Wl,--wrap=syslog,--wrap=__syslog_chk
check_PROGRAMS += tests/unit/test_fault_fs
TESTS += tests/unit/test_fault_fs
tests_unit_test_fault_fs_LDADD = $(BASE_TEST_LIBS)
