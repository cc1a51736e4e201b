# Tests against the real daemon: bash scripts over lib.sh, each with its own port and directory. One line each.
INTEGRATION_TESTS = \
	tests/integration/config_errors.sh \
	tests/integration/daemonize.sh \
	tests/integration/descriptors.sh \
	tests/integration/endpoints.sh \
	tests/integration/drain.sh \
	tests/integration/exit_codes.sh \
	tests/integration/odd_places.sh \
	tests/integration/pidfile.sh \
	tests/integration/privileges.sh \
	tests/integration/reload.sh \
	tests/integration/second_instance.sh \
	tests/integration/shutdown.sh \
	tests/integration/signals.sh \
	tests/integration/start_stop.sh
TESTS += $(INTEGRATION_TESTS)
EXTRA_DIST += tests/integration/lib.sh $(INTEGRATION_TESTS)
# The main job on real input: a sample in make check, all of it by make check-dpkg.
check_PROGRAMS += tests/integration/dpkg_job
TESTS += tests/integration/dpkg_job
tests_integration_dpkg_job_SOURCES = tests/integration/dpkg_job.c tests/integration/dpkg_lines.c \
	tests/integration/dpkg_lines.h
tests_integration_dpkg_job_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)

check-dpkg: all tests/integration/dpkg_job$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) LINES_MAX=0 tests/integration/dpkg_job

.PHONY: check-dpkg
