# unit tests of src/http: check_PROGRAMS += and TESTS += tests/unit/test_NAME
HTTP_TEST_LIBS = tests/support/libsupport.a libkvhttp.a tests/support/libfakestore.a $(MHD_LIBS) $(BASE_LIBS) \
	$(CHECK_LIBS)
