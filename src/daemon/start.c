/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start is the list start_order[] at the end; the steps stand above it in that order. What needs root (pidfile, low ports)
 * comes before the privileges are dropped, what is slow (recovery) or touches data after it.
 */
#define _GNU_SOURCE
#include <config.h>
#include "daemon/start.h"

#include "base/log.h"
#include "daemon/credentials.h"
#include "daemon/daemonize.h"
#include "daemon/notify.h"
#include "daemon/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ERROR_LINE_MAX = KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX + 200 };

const char *start_format_error(const struct kv_error *err, char *buf, size_t size)
{
	if (err->file[0] == '\0' && err->errnum == 0 && err->text[0] != '\0')
		snprintf(buf, size, "%s", err->text); /* it says all there is to say */
	else
		kv_error_format(err, buf, (uint32_t)size);
	return buf;
}

/* ---- the configuration ---- */

static kv_status open_standard_files(struct daemon *daemon, struct kv_error *err)
{
	kv_status status = activation_take(&daemon->activation, err);

	if (status != KV_OK)
		return status;
	if (!daemon->options.foreground)
		daemonize_close_others(daemon->activation.count);
	return daemonize_open_standard_files(err);
}

/* A daemon goes to "/", and SIGHUP reads the file again. */
static kv_status make_absolute(const char *path, char **ret, struct kv_error *err)
{
	char *here = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	int len;

	if (!here)
		return kv_error_errno(err, errno, path, "cannot find the current directory for");
	len = asprintf(ret, "%s%s%s", here, here[0] != '\0' ? "/" : "", path);
	free(here);
	return len >= 0 ? KV_OK : kv_error_set(err, KV_NO_MEMORY, "cannot hold '%s'", path);
}

static kv_status read_config(struct daemon *daemon, struct kv_error *err)
{
	struct store_options store_options;
	char *path;
	kv_status status = make_absolute(daemon->options.config_path, &path, err);

	if (status != KV_OK)
		return status;
	daemon->source = (struct config_source){
		.path = path,
		.may_be_missing = !daemon->options.config_given,
		.run_dir = config_find_run_dir(),
	};
	status = config_load(&daemon->source, &daemon->config, err);
	if (status != KV_OK)
		return status;
	store_options = settings_of_store(&daemon->config);
	return store_options_check(&store_options, err);
}

static kv_status find_users(struct daemon *daemon, struct kv_error *err)
{
	kv_status status = privileges_resolve(daemon->config.user, daemon->config.group, &daemon->privileges, err);

	return status == KV_OK ? peers_resolve(&daemon->config.socket_admins, &daemon->peers, err) : status;
}

/* ---- the process ---- */

static kv_status open_log(struct daemon *daemon, struct kv_error *err)
{
	const char *path = daemon->config.logfile;
	kv_status status = KV_OK;

	umask(027);
	log_set_level((enum log_level)daemon->config.log_level);
	if (path[0] != '\0') {
		status = privileges_make_file(&daemon->privileges, path, err);
		if (status == KV_OK)
			status = log_to_file(path, err);
	} else if (daemon->options.foreground) {
		log_to_stderr();
		daemon->log_is_stderr = true;
	} else {
		log_to_syslog("kvstored");
	}
	daemon->log_is_open = status == KV_OK;
	return status;
}

static kv_status become_daemon(struct daemon *daemon, struct kv_error *err)
{
	umask(077);
	return daemon->options.foreground ? KV_OK : daemonize_start(err);
}

static kv_status listen_to_signals(struct daemon *daemon, struct kv_error *err)
{
	return signals_open(&daemon->signals, err);
}

static kv_status take_pidfile(struct daemon *daemon, struct kv_error *err)
{
	if (daemon->config.pidfile[0] == '\0')
		return KV_OK;
	return pidfile_create(daemon->config.pidfile, &daemon->pidfile, err);
}

static kv_status raise_limits(struct daemon *daemon, struct kv_error *err)
{
	(void)err;
	struct kv_error why;
	char line[ERROR_LINE_MAX];

	if (limits_raise_descriptors(daemon->config.connection_limit, daemon->config.http_threads, &daemon->share, &why) != KV_OK)
		log_warning("%s", start_format_error(&why, line, sizeof(line)));
	return KV_OK;
}

static void on_shutdown_request(void *arg)
{
	signals_request_stop(arg);
}

static kv_status check_sockets(struct daemon *daemon, struct kv_error *err)
{
	return activation_check(&daemon->activation, &daemon->config, err);
}

static kv_status bind_addresses(struct daemon *daemon, struct kv_error *err)
{
	struct server_options options = settings_of_server(&daemon->config);
	kv_status status = privileges_enter_group(&daemon->privileges, err);
	kv_status bound;

	if (status != KV_OK)
		return status;
	options.connection_limit = (unsigned)daemon->share.connections;
	options.threads = (unsigned)daemon->share.threads;
	options.sockets = daemon->activation.sockets;
	options.socket_count = daemon->activation.count;
	options.admin_uids = daemon->peers.uids;
	options.admin_uid_count = daemon->peers.uid_count;
	options.admin_gids = daemon->peers.gids;
	options.admin_gid_count = daemon->peers.gid_count;
	options.request_stop = on_shutdown_request;
	options.request_stop_arg = daemon->signals;
	bound = server_bind(&options, &daemon->server, err);
	status = privileges_leave_group(&daemon->privileges, bound == KV_OK ? err : NULL);
	return bound != KV_OK ? bound : status;
}

static kv_status drop_privileges(struct daemon *daemon, struct kv_error *err)
{
	kv_status status = privileges_make_dir(&daemon->privileges, daemon->config.data_dir, err);

	if (status == KV_OK)
		status = privileges_drop(&daemon->privileges, err);
	if (status == KV_OK && geteuid() == 0)
		log_warning("running as root: set the option 'user' to run as somebody else");
	return status;
}

/* As the user that we are from here on: a reload will read them, too. */
static kv_status read_credentials(struct daemon *daemon, struct kv_error *err)
{
	return credentials_load(&daemon->config, daemon->server, err);
}

/* ---- the service ---- */

void start_tell_state(struct store *store)
{
	char reason[200];
	char line[256];
	enum store_state state = store_get_state(store, reason, sizeof(reason));

	snprintf(line, sizeof(line), "%s%s%s", store_state_name(state), reason[0] != '\0' ? ": " : "",
		reason);
	notify_status(line);
}

/* An event may mean that the state has changed. */
static void on_store_event(void *arg, enum log_level level, const char *text)
{
	struct daemon *daemon = arg;
	struct store *store = atomic_load(&daemon->told_store);

	log_write(level, "%s", text);
	if (store)
		start_tell_state(store);
}

/* A daemon is the service's main process only once the process that was started has ended; before that systemd
 * refuses its messages, and complains about each. */
static bool is_main_process(const struct daemon *daemon)
{
	return daemon->options.foreground;
}

static kv_status open_store(struct daemon *daemon, struct kv_error *err)
{
	struct store_options options = settings_of_store(&daemon->config);
	kv_status status;

	if (is_main_process(daemon))
		notify_status("opening the store");
	options.open_tables_max = (unsigned)daemon->share.tables;
	options.event = on_store_event;
	options.event_arg = daemon;
	status = store_open(&options, &daemon->store, err);
	if (status == KV_OK)
		atomic_store(&daemon->told_store, daemon->store);
	return status;
}

static kv_status start_server(struct daemon *daemon, struct kv_error *err)
{
	kv_status status = server_start(daemon->server, daemon->store, err);

	daemon->serves = status == KV_OK;
	return status;
}

static const char *join(const struct config_list *list, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < list->count && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i == 0 ? "" : ", ", list->items[i]);
	return buf;
}

static kv_status announce(struct daemon *daemon, struct kv_error *err)
{
	char where[512];
	char where_tls[512];

	(void)err;
	if (daemon->activation.count > 0)
		log_info("%zu sockets are of the service manager", daemon->activation.count);
	if (server_tls_port(daemon->server) != 0)
		log_info("serves TLS: port %u; listens on %s", server_tls_port(daemon->server),
			join(&daemon->config.tls_listen, where_tls, sizeof(where_tls)));
	log_info("kvstored %s is ready: port %u; listens on %s; data in '%s'", PACKAGE_VERSION,
		server_port(daemon->server), join(&daemon->config.listen, where, sizeof(where)),
		daemon->config.data_dir);
	if (is_main_process(daemon)) {
		start_tell_state(daemon->store);
		notify_ready();
	}
	daemonize_ready();
	return KV_OK;
}

/* ---- all of it ---- */

static kv_status (*const start_order[])(struct daemon *daemon, struct kv_error *err) = {
	open_standard_files, read_config, find_users, open_log,
	become_daemon, listen_to_signals, take_pidfile, raise_limits,
	check_sockets, bind_addresses, drop_privileges, read_credentials,
	open_store, start_server, announce,
};

/* What to do about damaged data, behind what is wrong with it. */
static void add_remedy(const struct daemon *daemon, const struct kv_error *err, char *line, size_t size)
{
	size_t len = strlen(line);

	if (err->status == KV_CORRUPT && daemon->config.data_dir)
		snprintf(line + len, size - len, "; nothing was changed: see 'kvfsck %s', then 'kvfsck --repair %s', which says when it must be told more",
			daemon->config.data_dir, daemon->config.data_dir);
}

/* Once in the log, and once to whoever started us. */
static void tell_failure(const struct daemon *daemon, enum exit_code code, const char *line)
{
	bool told = daemon->log_is_open && daemon->log_is_stderr;

	if (daemon->log_is_open)
		log_error("cannot start: %s", line);
	if (!daemonize_failed((int)code, line) && !told)
		fprintf(stderr, "kvstored: %s\n", line);
}

enum exit_code start_daemon(struct daemon *daemon)
{
	char line[ERROR_LINE_MAX + 2 * PATH_MAX];
	struct kv_error err;

	for (size_t i = 0; i < sizeof(start_order) / sizeof(start_order[0]); i++) {
		enum exit_code code;

		memset(&err, 0, sizeof(err));
		if (start_order[i](daemon, &err) == KV_OK)
			continue;
		code = exit_code_of(&err);
		start_format_error(&err, line, sizeof(line));
		add_remedy(daemon, &err, line, sizeof(line));
		tell_failure(daemon, code, line);
		return code;
	}
	return EXIT_CODE_OK;
}

enum exit_code start_check_config(struct daemon *daemon, FILE *to)
{
	char line[ERROR_LINE_MAX];
	struct kv_error err = { 0 };

	if (read_config(daemon, &err) != KV_OK || find_users(daemon, &err) != KV_OK ||
		credentials_load(&daemon->config, NULL, &err) != KV_OK) {
		fprintf(stderr, "kvstored: %s\n", start_format_error(&err, line, sizeof(line)));
		return exit_code_of(&err);
	}
	config_print(&daemon->config, to);
	return fflush(to) == 0 ? EXIT_CODE_OK : EXIT_CODE_IO;
}
