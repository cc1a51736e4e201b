# The fuzzers. Here each replays its corpus; with --enable-fuzz, which is what `make fuzz` builds, it is a libFuzzer program.
FUZZERS = tests/fuzz/fuzz_batch tests/fuzz/fuzz_block tests/fuzz/fuzz_blob tests/fuzz/fuzz_changes tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_cursor tests/fuzz/fuzz_dump tests/fuzz/fuzz_header tests/fuzz/fuzz_identity tests/fuzz/fuzz_import tests/fuzz/fuzz_jsonlist \
	tests/fuzz/fuzz_manifest tests/fuzz/fuzz_table tests/fuzz/fuzz_token tests/fuzz/fuzz_urlkey tests/fuzz/fuzz_wal
check_PROGRAMS += $(FUZZERS) tests/fuzz/seeds
TESTS += $(FUZZERS)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/run.sh

check_LIBRARIES += tests/fuzz/libfuzz.a
tests_fuzz_libfuzz_a_SOURCES = tests/fuzz/fuzz.h tests/fuzz/input.c tests/fuzz/memory_dir.c \
	tests/fuzz/wal_input.c tests/fuzz/wal_input.h
# for a program without checksums: its source, and how it is linked
FUZZ_NO_CHECKSUM = -Wl,--wrap=checksum64,--wrap=checksum64_pair,--wrap=checksum64_pieces,--wrap=checksum_stream_value
if FUZZ
FUZZ_LINK = -fsanitize=fuzzer
else
FUZZ_LINK =
FUZZ_MAIN = tests/fuzz/replay.c
endif
FUZZ_ENGINE_LIBS = tests/fuzz/libfuzz.a $(ENGINE_LIBS)
FUZZ_HTTP_LIBS = tests/fuzz/libfuzz.a $(HTTP_TEST_LIBS)

tests_fuzz_fuzz_block_SOURCES = tests/fuzz/fuzz_block.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_block_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_block_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_blob_SOURCES = tests/fuzz/fuzz_blob.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_blob_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_blob_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_changes_SOURCES = tests/fuzz/fuzz_changes.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_changes_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_changes_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_dump_SOURCES = tests/fuzz/fuzz_dump.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dump_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_dump_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_identity_SOURCES = tests/fuzz/fuzz_identity.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_identity_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_identity_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_manifest_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_manifest_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_table_SOURCES = tests/fuzz/fuzz_table.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_table_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_table_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_wal_SOURCES = tests/fuzz/fuzz_wal.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_wal_LDADD = $(FUZZ_ENGINE_LIBS)
tests_fuzz_fuzz_wal_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_batch_SOURCES = tests/fuzz/fuzz_batch.c tests/fuzz/store.c tests/fuzz/store.h $(FUZZ_MAIN)
tests_fuzz_fuzz_batch_LDADD = tests/fuzz/libfuzz.a $(REAL_SERVER_TEST_LIBS)
tests_fuzz_fuzz_batch_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_cursor_SOURCES = tests/fuzz/fuzz_cursor.c tests/fuzz/no_checksum.c $(FUZZ_MAIN)
tests_fuzz_fuzz_cursor_LDADD = $(FUZZ_HTTP_LIBS)
tests_fuzz_fuzz_cursor_LDFLAGS = $(FUZZ_LINK) $(FUZZ_NO_CHECKSUM)
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(FUZZ_MAIN)
tests_fuzz_fuzz_header_LDADD = $(FUZZ_HTTP_LIBS)
tests_fuzz_fuzz_header_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_import_SOURCES = tests/fuzz/fuzz_import.c tests/fuzz/store.c tests/fuzz/store.h $(FUZZ_MAIN)
tests_fuzz_fuzz_import_LDADD = tests/fuzz/libfuzz.a $(REAL_SERVER_TEST_LIBS)
tests_fuzz_fuzz_import_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_jsonlist_SOURCES = tests/fuzz/fuzz_jsonlist.c $(FUZZ_MAIN)
tests_fuzz_fuzz_jsonlist_LDADD = $(FUZZ_HTTP_LIBS)
tests_fuzz_fuzz_jsonlist_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_token_SOURCES = tests/fuzz/fuzz_token.c $(FUZZ_MAIN)
tests_fuzz_fuzz_token_LDADD = $(FUZZ_HTTP_LIBS)
tests_fuzz_fuzz_token_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_urlkey_SOURCES = tests/fuzz/fuzz_urlkey.c $(FUZZ_MAIN)
tests_fuzz_fuzz_urlkey_LDADD = $(FUZZ_HTTP_LIBS)
tests_fuzz_fuzz_urlkey_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_config_LDADD = tests/fuzz/libfuzz.a $(DAEMON_TEST_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK)

# Writes the seeds of the corpora that are no text; make fuzz-seeds after a change of a format.
tests_fuzz_seeds_SOURCES = tests/fuzz/seeds.c tests/fuzz/no_checksum.c
tests_fuzz_seeds_LDADD = tests/fuzz/libfuzz.a $(ENGINE_TEST_LIBS)
tests_fuzz_seeds_LDFLAGS = $(FUZZ_NO_CHECKSUM)

fuzz-seeds: tests/fuzz/seeds$(EXEEXT)
	tests/fuzz/seeds '$(srcdir)/tests/fuzz/corpus'

# FUZZ_SECONDS (60) for each of FUZZ_TARGETS (all): what they find new is kept in build-fuzz/fuzz-corpus, what crashes in build-fuzz/fuzz-found.
fuzz:
	+$(VARIANT) fuzz fuzz-run --enable-fuzz CC=clang CFLAGS='-O1 -g'
fuzz-run: $(FUZZERS)
	bash '$(srcdir)/tests/fuzz/run.sh' '$(srcdir)/tests/fuzz/corpus' $(FUZZ_TARGETS)

.PHONY: fuzz fuzz-run fuzz-seeds
