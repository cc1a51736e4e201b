# Tests against the real daemon: bash scripts over lib.sh, each with its own port and directory. One line each.
INTEGRATION_TESTS = \
	tests/integration/browser.sh \
	tests/integration/changes.sh \
	tests/integration/activation.sh \
	tests/integration/config_errors.sh \
	tests/integration/daemonize.sh \
	tests/integration/disk_fault.sh \
	tests/integration/descriptors.sh \
	tests/integration/endpoints.sh \
	tests/integration/drain.sh \
	tests/integration/exit_codes.sh \
	tests/integration/export_import.sh \
	tests/integration/full_disk.sh \
	tests/integration/kvfsck.sh \
	tests/integration/large_values.sh \
	tests/integration/nginx.sh \
	tests/integration/node.sh \
	tests/integration/odd_places.sh \
	tests/integration/limits.sh \
	tests/integration/peers.sh \
	tests/integration/pidfile.sh \
	tests/integration/privileges.sh \
	tests/integration/read_only_disk.sh \
	tests/integration/reload.sh \
	tests/integration/scrub.sh \
	tests/integration/second_instance.sh \
	tests/integration/shutdown.sh \
	tests/integration/signals.sh \
	tests/integration/slow_reader.sh \
	tests/integration/start_stop.sh \
	tests/integration/surroundings.sh \
	tests/integration/tls.sh \
	tests/integration/tokens.sh
TESTS += $(INTEGRATION_TESTS)
EXTRA_DIST += tests/integration/lib.sh tests/integration/own_mounts.sh tests/integration/browser.mjs tests/integration/node.mjs $(INTEGRATION_TESTS)
# The main job on real input: a sample in make check, all of it by make check-dpkg.
check_PROGRAMS += tests/integration/dpkg_job
TESTS += tests/integration/dpkg_job
tests_integration_dpkg_job_SOURCES = tests/integration/dpkg_job.c tests/integration/dpkg_lines.c \
	tests/integration/dpkg_lines.h
tests_integration_dpkg_job_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)

check-dpkg: all tests/integration/dpkg_job$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) LINES_MAX=0 tests/integration/dpkg_job

.PHONY: check-dpkg

# Bad input over every way to the real daemon.
check_PROGRAMS += tests/integration/bad_input
TESTS += tests/integration/bad_input
tests_integration_bad_input_LDADD = tests/support/libfakestore.a tests/support/libsupport.a $(MHD_LIBS) $(BASE_LIBS) \
	$(GNUTLS_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)
# Crowds of slow, idle and deaf clients.
check_PROGRAMS += tests/integration/crowds
TESTS += tests/integration/crowds
tests_integration_crowds_LDADD = $(tests_integration_bad_input_LDADD)
# Clients that race on keys: increments, compare and swap, batches and kill -9. INCREMENTS=n for fewer than 100000.
check_PROGRAMS += tests/integration/races
TESTS += tests/integration/races
tests_integration_races_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)
# Damage of every kind, before kvfsck; every byte with KV_LONG=1.
check_PROGRAMS += tests/integration/fsck_damage
TESTS += tests/integration/fsck_damage
LONG_TESTS += tests/integration/fsck_damage
# preloaded into the daemon by surroundings.sh
LONG_TESTS += tests/integration/surroundings.sh
check_PROGRAMS += tests/integration/clockshift.so
tests_integration_clockshift_so_SOURCES = tests/integration/clockshift.c
tests_integration_clockshift_so_CFLAGS = $(KV_CFLAGS) -fPIC
tests_integration_clockshift_so_LDFLAGS = -shared -fPIC
tests_integration_clockshift_so_LDADD = -ldl
# preloaded into the daemon by disk_fault.sh
check_PROGRAMS += tests/integration/diskfault.so
tests_integration_diskfault_so_SOURCES = tests/integration/diskfault.c
tests_integration_diskfault_so_CFLAGS = $(KV_CFLAGS) -fPIC
tests_integration_diskfault_so_LDFLAGS = -shared -fPIC
tests_integration_diskfault_so_LDADD = -ldl
