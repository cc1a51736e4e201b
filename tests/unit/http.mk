# unit tests of src/http: check_PROGRAMS += and TESTS += tests/unit/test_NAME
HTTP_TEST_LIBS = tests/support/libsupport.a libkvhttp.a tests/support/libfakestore.a $(MHD_LIBS) $(JANSSON_LIBS) \
	$(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/test_urlkey
TESTS += tests/unit/test_urlkey
tests_unit_test_urlkey_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_head
TESTS += tests/unit/test_head
tests_unit_test_head_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_guard
TESTS += tests/unit/test_guard
tests_unit_test_guard_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_route
TESTS += tests/unit/test_route
tests_unit_test_route_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_jsontext
TESTS += tests/unit/test_jsontext
tests_unit_test_jsontext_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_cursor
TESTS += tests/unit/test_cursor
tests_unit_test_cursor_LDADD = $(HTTP_TEST_LIBS)
check_PROGRAMS += tests/unit/test_condition
TESTS += tests/unit/test_condition
tests_unit_test_condition_LDADD = $(HTTP_TEST_LIBS)
