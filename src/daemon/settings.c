/* SPDX-License-Identifier: BSD-2-Clause */
/* What has no option of its own keeps the default of its owner. */
#include "daemon/settings.h"

struct store_tunables settings_of_tunables(const struct config *config)
{
	return (struct store_tunables){
		.flush_interval_s = (uint32_t)config->flush_interval_s,
		.compaction_threshold = (uint32_t)config->compaction_threshold,
		.scrub_interval_s = (uint32_t)config->scrub_interval_s,
	};
}

struct store_options settings_of_store(const struct config *config)
{
	struct store_options options;

	store_options_init(&options);
	options.data_dir = config->data_dir;
	options.tunables = settings_of_tunables(config);
	options.memtable_bytes = config->memtable_bytes;
	options.large_value_bytes = config->blob_threshold_bytes;
	options.block_cache_bytes = config->block_cache_bytes;
	options.change_log_bytes = config->change_log_bytes;
	options.durability = config->durability == 0 ? STORE_DURABLE_COMMIT : STORE_DURABLE_OS;
	options.compression = (enum store_compression)config->compression;
	return options;
}

struct server_options settings_of_server(const struct config *config)
{
	struct server_options options;
	uint64_t in_memory;

	server_options_init(&options);
	options.listen = (const char *const *)config->listen.items;
	options.listen_count = config->listen.count;
	options.port = (uint16_t)config->port;
	options.tls_listen = (const char *const *)config->tls_listen.items;
	options.tls_listen_count = config->tls_listen.count;
	options.tls_port = (uint16_t)config->tls_port;
	options.allowed_hosts = (const char *const *)config->allowed_hosts.items;
	options.allowed_hosts_count = config->allowed_hosts.count;
	options.threads = (unsigned)config->http_threads;
	options.connection_limit = (unsigned)config->connection_limit;
	options.max_header_bytes = config->max_header_bytes;
	options.max_value_bytes = config->max_value_bytes;
	options.max_batch_bytes = config->max_batch_bytes;
	options.backup_dir = config->backup_dir;
	/* or the largest would never get in; a batch counts twice: as text, and as what is made of it. Large values are not in memory. */
	in_memory = config->max_value_bytes < config->blob_threshold_bytes ? config->max_value_bytes :
		config->blob_threshold_bytes;
	if (options.inflight_bytes_max < in_memory)
		options.inflight_bytes_max = in_memory;
	if (options.inflight_bytes_max < 2 * options.max_batch_bytes)
		options.inflight_bytes_max = 2 * options.max_batch_bytes;
	options.snapshot_max_age_ms = config->snapshot_max_age_s * 1000;
	options.snapshot_limit = (unsigned)config->snapshot_limit;
	options.socket_role = (enum access_role)config->socket_role;
	options.rate_limit = (uint32_t)config->rate_limit;
	options.rate_burst = (uint32_t)config->rate_burst;
	options.request_limit = (uint32_t)config->request_limit;
	options.shutdown = (enum server_shutdown)config->shutdown;
	return options;
}
