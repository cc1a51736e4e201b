/* SPDX-License-Identifier: BSD-2-Clause */
/* A reload changes all that may change or, when the file is bad, nothing. */
#define _GNU_SOURCE
#include "daemon/serve.h"

#include "base/log.h"
#include "daemon/credentials.h"
#include "daemon/notify.h"
#include "daemon/settings.h"
#include "daemon/start.h"

#include <string.h>
#include <sys/stat.h>

enum { LINE_MAX_BYTES = 768 };

static void reopen_log(void)
{
	struct kv_error err = { 0 };
	char line[LINE_MAX_BYTES];
	mode_t mask = umask(027); /* as at the start: its group may read the log. The store's files ask for less themselves */

	if (log_reopen(&err) != KV_OK)
		log_error("cannot reopen the log file, the old one stays in use: %s",
			start_format_error(&err, line, sizeof(line)));
	umask(mask);
}

static kv_status apply(struct daemon *daemon, const struct config *loaded, struct kv_error *err)
{
	struct store_tunables tunables = settings_of_tunables(loaded);
	kv_status status = store_retune(daemon->store, &tunables, err);
	char restart[LINE_MAX_BYTES];

	if (status != KV_OK)
		return status;
	config_reload(&daemon->config, loaded, restart, sizeof(restart));
	log_set_level((enum log_level)daemon->config.log_level);
	log_info("configuration reloaded from '%s'", daemon->source.path);
	if (restart[0] != '\0')
		log_warning("changed in '%s', but in effect only after a restart: %s",
			daemon->source.path, restart);
	return KV_OK;
}

static void reload(struct daemon *daemon)
{
	struct config loaded = { 0 };
	struct kv_error err = { 0 };
	char line[LINE_MAX_BYTES];
	kv_status status;

	notify_reloading();
	reopen_log();
	status = config_load(&daemon->source, &loaded, &err);
	if (status == KV_OK)
		status = apply(daemon, &loaded, &err);
	if (status != KV_OK)
		log_error("configuration not reloaded, the old settings stay: %s",
			start_format_error(&err, line, sizeof(line)));
	config_free(&loaded);
	credentials_reload(&daemon->config, daemon->server);
	start_tell_state(daemon->store);
	notify_ready();
}

void serve_until_stopped(struct daemon *daemon)
{
	char from[80];

	while (signals_wait(daemon->signals, from, sizeof(from)) == SIGNALS_RELOAD)
		reload(daemon);
	log_info("stopping: %s", from);
}
