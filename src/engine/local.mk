# engine: filled in as its files come
noinst_LIBRARIES += libkvengine.a
libkvengine_a_SOURCES =
libkvengine_a_SOURCES += src/engine/iter_merge.c src/engine/iter_merge.h src/engine/iter.h src/engine/entry.h
libkvengine_a_SOURCES += src/engine/iter_level.c src/engine/iter_level.h
libkvengine_a_SOURCES += src/engine/iter_live.c src/engine/iter_live.h
libkvengine_a_SOURCES += src/engine/file_error.c src/engine/file_error.h
libkvengine_a_SOURCES += src/engine/filename.c src/engine/filename.h
libkvengine_a_SOURCES += src/engine/batch.c src/engine/batch.h
libkvengine_a_SOURCES += src/engine/identity.c src/engine/identity.h src/engine/format.h
libkvengine_a_SOURCES += src/engine/manifest.c src/engine/manifest.h
libkvengine_a_SOURCES += src/engine/wal.c src/engine/wal.h
libkvengine_a_SOURCES += src/engine/wal_writer.c src/engine/wal_writer.h
libkvengine_a_SOURCES += src/engine/wal_reader.c src/engine/wal_reader.h
