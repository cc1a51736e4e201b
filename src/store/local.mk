noinst_LIBRARIES += libkvstore.a
libkvstore_a_SOURCES = \
	src/store/backend.h \
	src/store/fsck.c src/store/fsck.h \
	src/store/lsm.h \
	src/store/lsm_backend.c \
	src/store/lsm_batch.c \
	src/store/lsm_changes.c \
	src/store/lsm_large.c \
	src/store/store.c src/store/store.h
