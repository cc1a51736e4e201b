# tools: kvctl and kvfsck, for those who administer the daemon.
bin_PROGRAMS += kvctl
kvctl_SOURCES = src/tools/kvctl.c \
	src/tools/token_command.c src/tools/token_command.h \
	src/tools/token_store.c src/tools/token_store.h
kvctl_LDADD = libkvhttp.a $(GNUTLS_LIBS) $(BASE_LIBS)
# kvfsck, for a store that is not running.
sbin_PROGRAMS += kvfsck
kvfsck_SOURCES = src/tools/kvfsck.c src/tools/fsck_exit.c src/tools/fsck_exit.h
kvfsck_LDADD = $(STORE_LIBS)
