# Tests against the real daemon: bash scripts over lib.sh, each with its own port and directory. One line each.
EXTRA_DIST += tests/integration/lib.sh
# The main job on real input: a sample in make check, all of it by make check-dpkg.
check_PROGRAMS += tests/integration/dpkg_job
tests_integration_dpkg_job_SOURCES = tests/integration/dpkg_job.c tests/integration/dpkg_lines.c \
	tests/integration/dpkg_lines.h
tests_integration_dpkg_job_LDADD = tests/support/libsupport.a $(BASE_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)

check-dpkg: all tests/integration/dpkg_job$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) LINES_MAX=0 tests/integration/dpkg_job

.PHONY: check-dpkg
