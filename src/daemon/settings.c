/* SPDX-License-Identifier: BSD-2-Clause */
/* What has no option of its own keeps the default of its owner. */
#include "daemon/settings.h"

struct store_tunables settings_of_tunables(const struct config *config)
{
	return (struct store_tunables){
		.flush_interval_s = (uint32_t)config->flush_interval_s,
		.compaction_threshold = (uint32_t)config->compaction_threshold,
	};
}

struct store_options settings_of_store(const struct config *config)
{
	struct store_options options;

	store_options_init(&options);
	options.data_dir = config->data_dir;
	options.tunables = settings_of_tunables(config);
	options.memtable_bytes = config->memtable_bytes;
	options.block_cache_bytes = config->block_cache_bytes;
	options.durability = config->durability == 0 ? STORE_DURABLE_COMMIT : STORE_DURABLE_OS;
	options.compression = (enum store_compression)config->compression;
	return options;
}

struct server_options settings_of_server(const struct config *config)
{
	struct server_options options;

	server_options_init(&options);
	options.listen = (const char *const *)config->listen.items;
	options.listen_count = config->listen.count;
	options.port = (uint16_t)config->port;
	options.allowed_hosts = (const char *const *)config->allowed_hosts.items;
	options.allowed_hosts_count = config->allowed_hosts.count;
	options.threads = (unsigned)config->http_threads;
	options.connection_limit = (unsigned)config->connection_limit;
	options.max_value_bytes = config->max_value_bytes;
	if (options.inflight_bytes_max < options.max_value_bytes) /* or the largest would never get in */
		options.inflight_bytes_max = options.max_value_bytes;
	options.shutdown = (enum server_shutdown)config->shutdown;
	return options;
}
