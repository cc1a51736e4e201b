check_LIBRARIES += tests/support/libsupport.a
tests_support_libsupport_a_SOURCES = tests/support/runner.c tests/support/runner.h
tests_support_libsupport_a_SOURCES += tests/support/fault_fs.c tests/support/fault_fs.h
tests_support_libsupport_a_SOURCES += tests/support/fault_alloc.c tests/support/fault_alloc.h
# for a program that uses fault_alloc: tests_unit_test_NAME_LDFLAGS = $(FAULT_ALLOC_LINK)
FAULT_ALLOC_LINK = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=huge_pages_alloc \
	-Wl,--wrap=posix_memalign,--wrap=reallocarray,--wrap=strdup,--wrap=strndup
tests_support_libsupport_a_SOURCES += tests/support/fault_epoll.c tests/support/fault_epoll.h
tests_support_libsupport_a_SOURCES += tests/support/array_iter.c tests/support/array_iter.h
tests_support_libsupport_a_SOURCES += tests/support/iter_check.c tests/support/iter_check.h
tests_support_libsupport_a_SOURCES += tests/support/disk.c tests/support/disk.h
tests_support_libsupport_a_SOURCES += tests/support/die.c tests/support/die.h \
	tests/support/httpclient.c tests/support/httpclient.h \
	tests/support/daemonproc.c tests/support/daemonproc.h \
	tests/support/jsonitem.c tests/support/jsonitem.h \
	tests/support/pager.c tests/support/pager.h
tests_support_libsupport_a_SOURCES += tests/support/tempdir.c tests/support/tempdir.h
tests_support_libsupport_a_SOURCES += tests/support/sst_model.c tests/support/sst_model.h
# a store for tests of the HTTP layer; links in the place of libkvstore.a
check_LIBRARIES += tests/support/libfakestore.a
tests_support_libfakestore_a_SOURCES = tests/support/fake_store.c tests/support/fake_store.h \
	tests/support/fake_store_rest.c tests/support/fake_changes.c tests/support/fake_changes.h \
	tests/support/fake_server.c tests/support/fake_server.h tests/support/rawhttp.c tests/support/rawhttp.h \
	tests/support/hostile.c tests/support/hostile.h
tests_support_libsupport_a_SOURCES += tests/support/wal_log.c tests/support/wal_log.h
tests_support_libsupport_a_SOURCES += tests/support/small_store.c tests/support/small_store.h
# the same server over a real store; for REAL_SERVER_TEST_LIBS of tests/unit/http.mk
check_LIBRARIES += tests/support/librealserver.a
tests_support_librealserver_a_SOURCES = tests/support/real_store.c tests/support/fake_store.h \
	tests/support/fake_server.c tests/support/fake_server.h tests/support/rawhttp.c tests/support/rawhttp.h
tests_support_libsupport_a_SOURCES += tests/support/feed_model.c tests/support/feed_model.h
# for tests over TLS; link with $(GNUTLS_LIBS)
tests_support_libsupport_a_SOURCES += tests/support/tlspipe.c tests/support/tlspipe.h
tests_support_libsupport_a_SOURCES += tests/support/sim_disk.c tests/support/sim_disk.h tests/support/sim_disk_internal.h \
	tests/support/sim_fs.c tests/support/sim_inode.c tests/support/sim_walk.c
tests_support_libsupport_a_SOURCES += tests/support/damage.c tests/support/damage.h
tests_support_libsupport_a_SOURCES += tests/support/fsck_store.c tests/support/fsck_store.h
tests_support_libsupport_a_SOURCES += tests/support/page_cache.c tests/support/page_cache.h
