# engine: filled in as its files come
noinst_LIBRARIES += libkvengine.a
libkvengine_a_SOURCES =
libkvengine_a_SOURCES += src/engine/iter_merge.c src/engine/iter_merge.h src/engine/iter.h src/engine/entry.h
libkvengine_a_SOURCES += src/engine/iter_level.c src/engine/iter_level.h
libkvengine_a_SOURCES += src/engine/iter_live.c src/engine/iter_live.h
