# benchmarks: built and run by their targets only; all of them built by `make bench-programs`
bench-programs: $(EXTRA_PROGRAMS)

.PHONY: bench-programs
EXTRA_PROGRAMS += tests/bench/bench_sst
tests_bench_bench_sst_LDADD = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)

bench-sst: tests/bench/bench_sst$(EXEEXT)
	tests/bench/bench_sst$(EXEEXT)

.PHONY: bench-sst
# the limit, and the HTTP layer over a store that is none
EXTRA_PROGRAMS += tests/bench/bare_mhd tests/bench/fake_server
tests_bench_bare_mhd_LDADD = $(MHD_LIBS)
tests_bench_fake_server_LDADD = $(HTTP_TEST_LIBS)

# requests a second over HTTP against bare libmicrohttpd, nginx, Redis, webdis and etcd
EXTRA_PROGRAMS += tests/bench/preload
tests_bench_preload_LDADD = tests/support/libsupport.a $(BASE_LIBS)
EXTRA_DIST += tests/bench/bench_http.sh tests/bench/bench_http_parties.sh tests/bench/bench_lib.sh tests/bench/etcd_fill.awk \
	tests/bench/plot_http.sh tests/bench/plot_lib.sh tests/bench/requests.lua

# tables, goals as ratios, and plots of both; test_figures.sh holds them against results worked out by hand
EXTRA_DIST += tests/bench/figures/align.awk tests/bench/figures/canned_engine.csv tests/bench/figures/canned_http.csv \
	tests/bench/figures/csv_long.awk tests/bench/figures/engine_csv.awk tests/bench/figures/engine_table.awk \
	tests/bench/figures/engine_tables.sh tests/bench/figures/goals.awk tests/bench/figures/goals.sh \
	tests/bench/figures/goals.txt tests/bench/figures/http_table.awk tests/bench/figures/limits.txt \
	tests/bench/figures/stats.awk tests/bench/publish.sh tests/bench/test_figures.sh
TESTS += tests/bench/test_figures.sh

# What a bench is told by variables of make (`make bench-http ROUNDS=1 CONNECTIONS=64`), it finds in its environment.
bench-http: all tests/bench/bare_mhd$(EXEEXT) tests/bench/preload$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/bench_http.sh

.PHONY: bench-http
# The engines in turn, medians and spread, goals; SET=, ENGINES=, ROUNDS= and more: see bench_engine.sh.
EXTRA_DIST += tests/bench/bench_engine.plan tests/bench/bench_engine.sh tests/bench/plot_engine.sh

bench-engine: tests/bench/bench_engine$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/bench_engine.sh

# both, one after the other, and all goals in one table; without wrk (77) those of the engine
bench: tests/bench/bench_engine$(EXEEXT) all tests/bench/bare_mhd$(EXEEXT) tests/bench/preload$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/bench_engine.sh
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/bench_http.sh || test $$? = 77
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/figures/goals.sh

# tables, goals and plots of the last results, also of a run that was stopped
bench-report:
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/figures/engine_tables.sh
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/figures/goals.sh
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/plot_engine.sh
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/plot_http.sh

# the last results into doc/benchmarks.md, its plots and README of the source tree
bench-publish:
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/bench/publish.sh

# What is no goal, and takes hours: with results of its own.
bench-other: tests/bench/bench_engine$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) RESULTS=$${RESULTS:-bench-other} SET="$${SET:-lz4 more big}" bash $(srcdir)/tests/bench/bench_engine.sh

.PHONY: bench bench-engine bench-other bench-publish bench-report

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

# kvstored's engine and LevelDB, RocksDB, LMDB, WiredTiger, those of them that are installed, on the same work
BENCH_ENGINE_PARTS = tests/bench/histogram.c tests/bench/histogram.h tests/bench/keys.c tests/bench/keys.h \
	tests/bench/values.c tests/bench/values.h tests/bench/zipfian.c tests/bench/zipfian.h
check_PROGRAMS += tests/bench/bench_engine
TESTS += tests/bench/test_engine.sh
EXTRA_DIST += tests/bench/test_engine.sh
tests_bench_bench_engine_SOURCES = $(BENCH_ENGINE_PARTS) tests/bench/bench_engine.c tests/bench/adapter.h \
	tests/bench/adapter_kvstored.c tests/bench/figures.c tests/bench/figures.h tests/bench/report.c tests/bench/report.h \
	tests/bench/run.c tests/bench/run.h tests/bench/run_threads.c tests/bench/run_threads.h tests/bench/settings.c \
	tests/bench/settings.h tests/bench/worker.c tests/bench/worker.h tests/bench/workload.h tests/bench/workload_fill.c \
	tests/bench/workload_disk.c tests/bench/workload_harness.c tests/bench/workload_open.c \
	tests/bench/workload_read.c tests/bench/workload_table.c tests/bench/workload_ycsb.c

tests_bench_bench_engine_LDADD = tests/support/libsupport.a $(STORE_LIBS) $(LEVELDB_LIBS) $(ROCKSDB_LIBS) $(LMDB_LIBS) \
	$(WIREDTIGER_LIBS) -lm
if HAVE_LEVELDB
tests_bench_bench_engine_SOURCES += tests/bench/adapter_leveldb.c
endif
if HAVE_ROCKSDB
tests_bench_bench_engine_SOURCES += tests/bench/adapter_rocksdb.c
endif
if HAVE_LMDB
tests_bench_bench_engine_SOURCES += tests/bench/adapter_lmdb.c
endif
if HAVE_WIREDTIGER
tests_bench_bench_engine_SOURCES += tests/bench/adapter_wiredtiger.c
endif
check_PROGRAMS += tests/unit/test_bench_parts
TESTS += tests/unit/test_bench_parts
tests_unit_test_bench_parts_SOURCES = tests/unit/test_bench_parts.c $(BENCH_ENGINE_PARTS)
tests_unit_test_bench_parts_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(CHECK_LIBS) -lm
