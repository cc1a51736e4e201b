# The model test: KV_MODEL_OPS operations (7500), KV_TEST_SEED
check_PROGRAMS += tests/model/test_model
TESTS += tests/model/test_model
LONG_TESTS += tests/model/test_model
tests_model_test_model_SOURCES = tests/model/test_model.c tests/model/model_check.c tests/model/model_check.h \
	tests/model/model.c tests/model/model.h
HISTORY_SOURCES = tests/model/history.c tests/model/history_write.c tests/model/history.h tests/model/history_internal.h \
	tests/model/model_check.c tests/model/model_check.h tests/model/model.c tests/model/model.h
# Power cuts on a simulated disk: KV_CUT_STATES states (4000), KV_TEST_SEED
check_PROGRAMS += tests/model/test_power_cut
TESTS += tests/model/test_power_cut
LONG_TESTS += tests/model/test_power_cut
tests_model_test_power_cut_SOURCES = tests/model/test_power_cut.c tests/model/judge.c tests/model/judge.h \
	$(HISTORY_SOURCES)
tests_model_test_power_cut_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
# Every file operation and every allocation of a scenario failing in turn; KV_FAULT_STEP=1: each of them (with KV_LONG=1, too)
check_PROGRAMS += tests/model/test_every_fault
TESTS += tests/model/test_every_fault
LONG_TESTS += tests/model/test_every_fault
tests_model_test_every_fault_SOURCES = tests/model/test_every_fault.c tests/model/judge.c tests/model/judge.h \
	$(HISTORY_SOURCES)
tests_model_test_every_fault_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
# A sync of the log that fails once, under 32 writers
check_PROGRAMS += tests/model/test_failed_sync
TESTS += tests/model/test_failed_sync
LONG_TESTS += tests/model/test_failed_sync
tests_model_test_failed_sync_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
# A slow disk, tiny limits and many writers; KV_SLOW_SECONDS (an hour, with KV_LONG=1)
check_PROGRAMS += tests/model/test_slow_disk
TESTS += tests/model/test_slow_disk
LONG_TESTS += tests/model/test_slow_disk
# 64 scans that stay open over many compactions, a thousand with KV_LONG=1
check_PROGRAMS += tests/model/test_open_scans
TESTS += tests/model/test_open_scans
LONG_TESTS += tests/model/test_open_scans
# A sync of the directory that fails once, for somebody else
check_PROGRAMS += tests/model/test_failed_names
TESTS += tests/model/test_failed_names
tests_model_test_failed_names_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
# Power cuts in a repair, on the simulated disk
check_PROGRAMS += tests/model/test_repair_cut
TESTS += tests/model/test_repair_cut
tests_model_test_repair_cut_LDFLAGS = $(AM_LDFLAGS) $(FAULT_ALLOC_LINK)
