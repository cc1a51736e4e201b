/* SPDX-License-Identifier: BSD-2-Clause */
/* Results as one line of name=value. */
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>

static void number(const char *name, uint64_t value)
{
	printf(" %s=%" PRIu64, name, value);
}

static void decimal(const char *name, double value, int digits)
{
	printf(" %s=%.*f", name, digits, value);
}

static void print_settings(const struct settings *settings)
{
	printf("engine=%s version=%s workload=%s", settings->adapter ? settings->adapter->name : "none",
		settings->adapter ? settings->adapter->version() : "-", settings->workload->name);
	number("keys", settings->keys);
	number("value_size", settings->value_size);
	number("threads", settings->threads);
	printf(" compression=%s key_kind=%s", settings->lz4 ? "lz4" : "none",
		settings->keys_kind == KEYS_HEX ? "hex" : "digits");
	number("sync", settings->sync);
	number("seed", settings->seed);
	number("cache_mb", settings->cache_mb);
	number("write_buffer_mb", settings->write_buffer_mb);
}

static void print_speed(const struct run *run)
{
	number("ops", run->ops);
	decimal("seconds", run->seconds, 6);
	decimal("ops_per_s", (double)run->ops / run->seconds, 1);
	decimal("cpu_s", run->at_end.cpu_s - run->at_begin.cpu_s, 3);
	decimal("cpu_settle_s", run->at_settled.cpu_s - run->at_end.cpu_s, 3);
	decimal("load_s", run->load_seconds, 3);
	decimal("cpu_load_s", run->at_loaded.cpu_s - run->at_start.cpu_s, 3);
	number("settled", run->settled);
}

static void percentile(const struct run *run, const char *name, double share)
{
	decimal(name, (double)histogram_percentile(&run->histogram, share) / 1e3, 3);
}

static void print_latency(const struct run *run)
{
	printf(" latency_of=%s", run->settings->workload->latency_of);
	percentile(run, "p50_us", 0.5);
	percentile(run, "p99_us", 0.99);
	percentile(run, "p999_us", 0.999);
	decimal("max_us", (double)run->histogram.max_ns / 1e3, 3);
	decimal("clock_ns", figures_clock_cost_ns(), 1);
}

static void print_space(const struct run *run)
{
	const struct settings *settings = run->settings;

	number("user_bytes", run->user_bytes + run->extra_user_bytes);
	number("user_load_bytes", run->load_bytes);
	number("written_bytes", run->at_closed.device_bytes - run->at_start.device_bytes);
	number("written_load_bytes", run->at_loaded.device_bytes - run->at_start.device_bytes);
	number("written_run_bytes", run->at_end.device_bytes - run->at_begin.device_bytes);
	number("written_settle_bytes", run->at_settled.device_bytes - run->at_end.device_bytes);
	number("call_bytes", run->at_settled.call_bytes - run->at_begin.call_bytes);
	number("dirtied_bytes", run->at_settled.dirtied_bytes - run->at_begin.dirtied_bytes);
	number("read_bytes", run->at_end.read_bytes - run->at_begin.read_bytes);
	number("disk_bytes", run->disk_bytes);
	number("disk_closed_bytes", run->disk_closed_bytes);
	number("live_bytes", run->live_bytes);
	number("peak_memory_bytes", run->peak_bytes);
	number("peak_anon_bytes", run->peak_anon_bytes);
	number("harness_bytes", VALUES_POOL_BYTES + settings->value_size * (1 + settings->threads) +
		sizeof(struct worker) * settings->threads);
}

void report_print(const struct run *run)
{
	char options[1000] = "";

	print_settings(run->settings);
	print_speed(run);
	print_latency(run);
	print_space(run);
	number("found", run->found);
	number("missing", run->missing);
	number("entries", run->entries);
	number("verified", run->verified);
	number("extra_ops", run->extra_ops);
	if (run->settings->adapter)
		run->settings->adapter->describe(&run->options, options, sizeof options);
	printf(" options=\"%s\"\n", options);
}
