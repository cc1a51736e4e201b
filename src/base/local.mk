noinst_LIBRARIES += libkvbase.a
libkvbase_a_SOURCES = \
	src/base/arena.c src/base/arena.h \
	src/base/buf.c src/base/buf.h \
	src/base/checksum.c src/base/checksum.h \
	src/base/checksum_wide.c src/base/checksum_wide.h \
	src/base/clock.c src/base/clock.h \
	src/base/coding.c src/base/coding.h \
	src/base/decimal.c src/base/decimal.h \
	src/base/dir.c \
	src/base/file.c src/base/file.h \
	src/base/file_map.c src/base/file_map.h \
	src/base/fs_error.c src/base/fs_error.h \
	src/base/huge_pages.c src/base/huge_pages.h \
	src/base/io_priority.c src/base/io_priority.h \
	src/base/log.c src/base/log.h \
	src/base/number_tree.c src/base/number_tree.h \
	src/base/pinned.h \
	src/base/rcu.c src/base/rcu.h \
	src/base/slice.h \
	src/base/status.c src/base/status.h
