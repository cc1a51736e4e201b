# benchmarks: built and run by their targets only
EXTRA_PROGRAMS += tests/bench/bench_sst
tests_bench_bench_sst_LDADD = tests/support/libsupport.a $(ENGINE_LIBS) $(CHECK_LIBS)

bench-sst: tests/bench/bench_sst$(EXEEXT)
	tests/bench/bench_sst$(EXEEXT)

.PHONY: bench-sst
