# The daemon's skin: all but main() is a library, so that unit tests can link it.
noinst_LIBRARIES += libkvdaemon.a
libkvdaemon_a_SOURCES = \
	src/daemon/activation.c src/daemon/activation.h \
	src/daemon/config.c src/daemon/config.h \
	src/daemon/config_file.c src/daemon/config_file.h \
	src/daemon/config_option.c src/daemon/config_option.h \
	src/daemon/config_value.c src/daemon/config_value.h \
	src/daemon/credentials.c src/daemon/credentials.h \
	src/daemon/daemon.h \
	src/daemon/daemonize.c src/daemon/daemonize.h \
	src/daemon/exit_code.c src/daemon/exit_code.h \
	src/daemon/limits.c src/daemon/limits.h \
	src/daemon/notify.c src/daemon/notify.h \
	src/daemon/options.c src/daemon/options.h \
	src/daemon/peers.c src/daemon/peers.h \
	src/daemon/pidfile.c src/daemon/pidfile.h \
	src/daemon/privileges.c src/daemon/privileges.h \
	src/daemon/report.c src/daemon/report.h \
	src/daemon/serve.c src/daemon/serve.h \
	src/daemon/settings.c src/daemon/settings.h \
	src/daemon/signals.c src/daemon/signals.h \
	src/daemon/start.c src/daemon/start.h \
	src/daemon/stop.c src/daemon/stop.h \
	src/daemon/text_file.c src/daemon/text_file.h

DAEMON_LIBS = libkvdaemon.a $(HTTP_LIBS) $(CONFUSE_LIBS) $(SYSTEMD_LIBS)

sbin_PROGRAMS += kvstored
kvstored_SOURCES = src/daemon/main.c
kvstored_LDADD = $(DAEMON_LIBS)
