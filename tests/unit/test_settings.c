/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration reaches store and server, and its defaults are theirs. */
#include <config.h>
#include "daemon/settings.h"
#include "support/runner.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;

static void load(const char *text)
{
	char path[] = "/tmp/kvtest.XXXXXX";
	struct config_source source = { .path = path };
	struct kv_error err;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	config_free(&config);
	ck_assert_msg(config_load(&source, &config, &err) == KV_OK, "%s", err.text);
	unlink(path);
}

static void tear_down(void)
{
	config_free(&config);
}

START_TEST(the_defaults_are_those_of_the_store)
{
	struct store_options own;
	struct store_options ours;

	load("");
	store_options_init(&own);
	ours = settings_of_store(&config);
	ck_assert_str_eq(ours.data_dir, "/var/lib/kvstored");
	ck_assert_uint_eq(ours.tunables.flush_interval_s, own.tunables.flush_interval_s);
	ck_assert_uint_eq(ours.tunables.compaction_threshold, own.tunables.compaction_threshold);
	ck_assert_uint_eq(ours.tunables.scrub_interval_s, own.tunables.scrub_interval_s);
	ck_assert_uint_eq(ours.memtable_bytes, own.memtable_bytes);
	ck_assert_uint_eq(ours.large_value_bytes, own.large_value_bytes);
	ck_assert_uint_eq(ours.block_cache_bytes, own.block_cache_bytes);
	ck_assert_int_eq(ours.durability, own.durability);
	ck_assert_int_eq(ours.compression, own.compression);
	ck_assert_int_eq(store_options_check(&ours, NULL), KV_OK);
}
END_TEST

START_TEST(the_defaults_are_those_of_the_server)
{
	struct server_options own;
	struct server_options ours;

	load("");
	server_options_init(&own);
	ours = settings_of_server(&config);
	ck_assert_uint_eq(ours.port, own.port);
	ck_assert_uint_eq(ours.threads, own.threads);
	ck_assert_uint_eq(ours.connection_limit, own.connection_limit);
	ck_assert_uint_eq(ours.max_value_bytes, own.max_value_bytes);
	ck_assert_uint_eq(ours.max_batch_bytes, own.max_batch_bytes);
	ck_assert_uint_eq(ours.inflight_bytes_max, own.inflight_bytes_max);
	ck_assert_uint_eq(ours.header_timeout_ms, own.header_timeout_ms);
	ck_assert_uint_eq(ours.idle_timeout_ms, own.idle_timeout_ms);
	ck_assert_int_eq(ours.shutdown, own.shutdown);
	ck_assert_uint_eq(ours.allowed_hosts_count, 0);
}
END_TEST

START_TEST(a_value_of_the_largest_size_fits_into_memory)
{
	struct server_options server;

	load("max_value_size = 1G\n"); /* which is large, and not in memory */
	server = settings_of_server(&config);
	ck_assert_uint_eq(server.max_value_bytes, UINT64_C(1) << 30);
	ck_assert_uint_eq(server.inflight_bytes_max, UINT64_C(256) << 20);
	load("max_value_size = 1G\nblob_threshold = 512M\n");
	server = settings_of_server(&config);
	ck_assert_uint_ge(server.inflight_bytes_max, UINT64_C(512) << 20);
	load("max_batch_size = 1G\n"); /* it is held as text and as operations */
	server = settings_of_server(&config);
	ck_assert_uint_eq(server.max_batch_bytes, UINT64_C(1) << 30);
	ck_assert_uint_ge(server.inflight_bytes_max, 2 * server.max_batch_bytes);
}
END_TEST

START_TEST(every_setting_arrives)
{
	struct store_options store;
	struct server_options server;

	load("backup_dir = /b\nlisten = {::1, /run/a.sock}\nport = 7\nallowed_hosts = {a}\nshutdown = off\n"
	     "http_threads = 3\nconnection_limit = 9\nmax_value_size = 5K\nmax_header_size = 17K\nmax_batch_size = 6K\ndata_dir = /d\n"
	     "flush_interval = 1\nscrub_interval = 3\ncompaction_threshold = 2\nmemtable_size = 1M\nblock_cache_size = 2M\n"
	     "change_log_size = 3M\nblob_threshold = 9K\n"
	     "durability = os\ncompression = none\n");
	store = settings_of_store(&config);
	server = settings_of_server(&config);
	ck_assert_uint_eq(server.listen_count, 2);
	ck_assert_str_eq(server.listen[1], "/run/a.sock");
	ck_assert_uint_eq(server.port, 7);
	ck_assert_uint_eq(server.allowed_hosts_count, 1);
	ck_assert_str_eq(server.allowed_hosts[0], "a");
	ck_assert_int_eq(server.shutdown, SERVER_SHUTDOWN_OFF);
	ck_assert_uint_eq(server.threads, 3);
	ck_assert_uint_eq(server.connection_limit, 9);
	ck_assert_uint_eq(server.max_value_bytes, 5120);
	ck_assert_uint_eq(server.max_header_bytes, 17 * 1024);
	ck_assert_str_eq(server.backup_dir, "/b");
	ck_assert_uint_eq(server.max_batch_bytes, 6144);
	ck_assert_str_eq(store.data_dir, "/d");
	ck_assert_uint_eq(store.tunables.flush_interval_s, 1);
	ck_assert_uint_eq(store.tunables.compaction_threshold, 2);
	ck_assert_uint_eq(store.tunables.scrub_interval_s, 3);
	ck_assert_uint_eq(store.memtable_bytes, 1 << 20);
	ck_assert_uint_eq(store.block_cache_bytes, 2 << 20);
	ck_assert_uint_eq(store.change_log_bytes, 3 << 20);
	ck_assert_uint_eq(store.large_value_bytes, 9 << 10);
	ck_assert_int_eq(store.durability, STORE_DURABLE_OS);
	ck_assert_int_eq(store.compression, STORE_COMPRESSION_NONE);
}
END_TEST

START_TEST(the_words_of_compression_are_those_of_the_store)
{
	load("compression = none\n");
	ck_assert_int_eq(settings_of_store(&config).compression, STORE_COMPRESSION_NONE);
#ifdef HAVE_LZ4
	load("compression = lz4\n");
	ck_assert_int_eq(settings_of_store(&config).compression, STORE_COMPRESSION_LZ4);
#endif
#ifdef HAVE_ZSTD
	load("compression = zstd\n");
	ck_assert_int_eq(settings_of_store(&config).compression, STORE_COMPRESSION_ZSTD);
#endif
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tests = tcase_create("settings");

	tcase_add_checked_fixture(tests, NULL, tear_down);
	tcase_add_test(tests, the_defaults_are_those_of_the_store);
	tcase_add_test(tests, the_defaults_are_those_of_the_server);
	tcase_add_test(tests, a_value_of_the_largest_size_fits_into_memory);
	tcase_add_test(tests, every_setting_arrives);
	tcase_add_test(tests, the_words_of_compression_are_those_of_the_store);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
