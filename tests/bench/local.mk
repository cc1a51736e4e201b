# benchmarks: built and run by their targets only
EXTRA_PROGRAMS += tests/bench/bench_sst
tests_bench_bench_sst_LDADD = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)

bench-sst: tests/bench/bench_sst$(EXEEXT)
	tests/bench/bench_sst$(EXEEXT)

.PHONY: bench-sst
# the limit, and the HTTP layer over a store that is none
EXTRA_PROGRAMS += tests/bench/bare_mhd tests/bench/fake_server
tests_bench_bare_mhd_LDADD = $(MHD_LIBS)
tests_bench_fake_server_LDADD = $(HTTP_TEST_LIBS)

# requests a second over HTTP against bare libmicrohttpd and webdis over Redis
EXTRA_PROGRAMS += tests/bench/preload
tests_bench_preload_LDADD = tests/support/libsupport.a $(BASE_LIBS)
EXTRA_DIST += tests/bench/plot_http.sh tests/bench/bench_http.sh tests/bench/requests.lua

bench-http: all tests/bench/bare_mhd$(EXEEXT) tests/bench/preload$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/bench_http.sh

.PHONY: bench-http
EXTRA_PROGRAMS += tests/bench/bench_wal
tests_bench_bench_wal_LDADD = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)

bench-wal: tests/bench/bench_wal$(EXEEXT)
	tests/bench/bench_wal$(EXEEXT)

.PHONY: bench-wal
EXTRA_PROGRAMS += tests/bench/bench_memtable
tests_bench_bench_memtable_LDADD = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)

bench-memtable: tests/bench/bench_memtable$(EXEEXT)
	tests/bench/bench_memtable$(EXEEXT) 450000 5 random
	tests/bench/bench_memtable$(EXEEXT) 450000 5 digits
	tests/bench/bench_memtable$(EXEEXT) 450000 5 path

.PHONY: bench-memtable
