/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: defaults, every type, every refusal with its line, reload, and print as the inverse of load. */
#define _GNU_SOURCE
#include <config.h>
#include "daemon/config.h"
#include "daemon/config_option.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;
static char path[512];
static struct config config;
static struct kv_error err;

static void set_up(void)
{
	directory = runner_new_dir();
	snprintf(path, sizeof(path), "%s/conf", directory);
	memset(&config, 0, sizeof(config));
}

static void tear_down(void)
{
	config_free(&config);
	config_free(&config);
	runner_remove_dir(directory);
}

static void write_bytes(const char *bytes, size_t len)
{
	FILE *file;

	(void)unlink(path); /* truncating would make ext4 write to the disk at once */
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static kv_status load_with_run_dir(const char *text, const char *run_dir)
{
	struct config_source source = { .path = path, .run_dir = run_dir };

	write_bytes(text, strlen(text));
	config_free(&config);
	return config_load(&source, &config, &err);
}

static kv_status load(const char *text)
{
	return load_with_run_dir(text, NULL);
}

static void load_ok(const char *text)
{
	kv_status status = load(text);

	ck_assert_msg(status == KV_OK, "'%s': %s", text, err.text);
}

/* The error is "PATH:LINE: " and then begins with `begin`. */
static void refused(const char *text, int line, const char *begin)
{
	char expected[800];

	ck_assert_int_eq(load(text), KV_INVALID);
	snprintf(expected, sizeof(expected), "%s:%d: %s", path, line, begin);
	ck_assert_msg(strncmp(err.text, expected, strlen(expected)) == 0,
		"'%s' gives '%s', not '%s...'", text, err.text, expected);
	ck_assert_ptr_null(config.data_dir);
}

START_TEST(an_empty_file_gives_the_defaults)
{
	load_ok("");
	ck_assert_uint_eq(config.listen.count, 1);
	ck_assert_str_eq(config.listen.items[0], "127.0.0.1");
	ck_assert_uint_eq(config.port, 8080);
	ck_assert_str_eq(config.data_dir, "/var/lib/kvstored");
	ck_assert_str_eq(config.pidfile, "");
	ck_assert_str_eq(config.logfile, "");
	ck_assert_str_eq(config.user, "kvstored");
	ck_assert_uint_eq(config.flush_interval_s, 60);
	ck_assert_uint_eq(config.compaction_threshold, 4);
	ck_assert_uint_eq(config.scrub_interval_s, 604800);
	ck_assert_uint_eq(config.memtable_bytes, 64 << 20);
	ck_assert_uint_eq(config.blob_threshold_bytes, 64 << 10);
	ck_assert_uint_eq(config.max_value_bytes, 16 << 20);
	ck_assert_uint_eq(config.connection_limit, 1024);
	ck_assert_uint_eq(config.durability, 0);
	ck_assert_uint_eq(config.allowed_hosts.count, 0);
}
END_TEST

START_TEST(a_run_directory_adds_the_default_pidfile_and_socket)
{
	ck_assert_int_eq(load_with_run_dir("", "/run/x"), KV_OK);
	ck_assert_uint_eq(config.listen.count, 2);
	ck_assert_str_eq(config.listen.items[1], "/run/x/kvstored.sock");
	ck_assert_str_eq(config.pidfile, "/run/x/kvstored.pid");
	ck_assert_int_eq(load_with_run_dir("listen = {\"::1\"}\npidfile = \"\"\n", "/run/x"), KV_OK);
	ck_assert_uint_eq(config.listen.count, 1);
	ck_assert_str_eq(config.pidfile, "");
}
END_TEST

START_TEST(every_option_can_be_set)
{
	load_ok("listen = {\"localhost\", '::1', 127.1.2.3, \"/run/a.sock\"}\n"
		"port=0\ninsecure_listen = yes\nallowed_hosts = {db.example, \"10.0.0.1\"}\n"
		"shutdown = off\nhttp_threads = 3\nconnection_limit = 77\nmax_value_size = 1k\n"
		"max_header_size = 64k\n"
		"max_batch_size = 2k\n"
		"data_dir = /d\nflush_interval = 0\ncompaction_threshold = 64\nscrub_interval = 0\n"
		"memtable_size = \"1G\"\nblock_cache_size = 0\nchange_log_size = 0\ndurability = os\ncompression = none\n"
		"pidfile = /p\nlogfile = /l\nlog_level = debug\nuser = \"\"\ngroup = adm\n");
	ck_assert_uint_eq(config.listen.count, 4);
	ck_assert_str_eq(config.listen.items[2], "127.1.2.3");
	ck_assert_uint_eq(config.port, 0);
	ck_assert_uint_eq(config.insecure_listen, 1);
	ck_assert_uint_eq(config.allowed_hosts.count, 2);
	ck_assert_uint_eq(config.shutdown, 2);
	ck_assert_uint_eq(config.http_threads, 3);
	ck_assert_uint_eq(config.connection_limit, 77);
	ck_assert_uint_eq(config.max_value_bytes, 1024);
	ck_assert_uint_eq(config.max_header_bytes, 65536);
	ck_assert_uint_eq(config.max_batch_bytes, 2048);
	ck_assert_str_eq(config.data_dir, "/d");
	ck_assert_uint_eq(config.flush_interval_s, 0);
	ck_assert_uint_eq(config.compaction_threshold, 64);
	ck_assert_uint_eq(config.scrub_interval_s, 0);
	ck_assert_uint_eq(config.memtable_bytes, 1 << 30);
	ck_assert_uint_eq(config.block_cache_bytes, 0);
	ck_assert_uint_eq(config.change_log_bytes, 0);
	ck_assert_uint_eq(config.durability, 1);
	ck_assert_uint_eq(config.compression, 0);
	ck_assert_str_eq(config.pidfile, "/p");
	ck_assert_str_eq(config.logfile, "/l");
	ck_assert_uint_eq(config.log_level, 3);
	ck_assert_str_eq(config.user, "");
	ck_assert_str_eq(config.group, "adm");
}
END_TEST

START_TEST(errors_name_file_line_and_what_was_expected)
{
	refused("nonsense = 1\n", 1, "no such option 'nonsense'");
	refused("\n\nport = abc\n", 3, "port must be a number from 0 to 65535 (it is 'abc')");
	refused("port = 65536\n", 1, "port must be a number from 0 to 65535 (it is '65536')");
	refused("port = -1\n", 1, "port must be a number");
	refused("port = 0x50\n", 1, "port must be a number");
	refused("port = 99999999999999999999999\n", 1, "port must be a number");
	refused("port = \"\"\n", 1, "port must be a number");
	refused("port = {1, 2}\n", 1, "port must be a number from 0 to 65535 (unexpected token '{')");
	refused("port\n", 2, "premature end of file");
	refused("memtable_size = 64MB\n", 1, "memtable_size must be a size from 16K to 16G");
	refused("memtable_size = 1K\n", 1, "memtable_size must be a size from 16K to 16G");
	refused("block_cache_size = 99999999999999999G\n", 1, "block_cache_size must be a size");
	refused("max_value_size = 2G\n", 1, "max_value_size must be a size from 1 to 1G");
	refused("insecure_listen = maybe\n", 1, "insecure_listen must be true or false (it is 'maybe')");
	refused("durability = disk\n", 1, "durability must be one of \"commit\", \"os\" (it is 'disk')");
	refused("log_level = loud\n", 1, "log_level must be one of \"error\", \"warning\", \"info\", \"debug\"");
	refused("data_dir = data\n", 1, "data_dir must be an absolute path (it is 'data')");
	refused("data_dir = \"\"\n", 1, "data_dir must be an absolute path");
	refused("data_dir = \"/\"\n", 1, "data_dir must be an absolute path");
	refused("logfile = here\n", 1, "logfile must be an absolute path, or empty");
	refused("compaction_threshold = 1\n", 1, "compaction_threshold must be a number from 2 to 64");
	refused("allowed_hosts = {\"a:80\"}\n", 1, "allowed_hosts must be a list of host names");
	refused("listen = {\"example.com\"}\n", 1, "listen must be a list of IP addresses");
	refused("port = 1\nport = 2 3\n", 2, "no such option '3'");
	refused("port 1\n", 1, "missing equal sign after option 'port'");
	refused("port = \"1\n", 2, "port must be a number");
	refused("\nport = 1\\2\n", 2, "a backslash may stand only inside quotes");
	refused("\\port = 1\n", 1, "a backslash may stand only inside quotes");
}
END_TEST

START_TEST(a_bad_file_does_not_spoil_the_reading_of_the_next)
{
	static const char *const bad[] = { "port = \"1", "port = '1", "listen = {\"::1\",", "/* never closed",
		"port =", "port = \"${", "port = \"\\", "listen = {", "user = 'a\n\n\n", "nonsense" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)load(bad[i]);
		load_ok("# comment\nport = 9\nlisten = {\"::1\"}\nuser = 'x'\n");
		ck_assert_uint_eq(config.port, 9);
		ck_assert_str_eq(config.listen.items[0], "::1");
		ck_assert_str_eq(config.user, "x");
		refused("\nport = x\n", 2, "port must be");
	}
}
END_TEST

START_TEST(comments_do_not_shift_line_numbers)
{
	refused("# one \\ two\n// two\n/* three\n four */\nport = x\n", 5, "port must be");
	refused("port = 1 # one\nport = 2 // two\nport = 3 /* three */\nport = x\n", 4, "port must be");
	refused("listen = {\n # a comment in a list\n ::1, // another\n bad\n}\n", 4, "listen must be");
	refused("data_dir = \"/a#b\"\nlogfile = '/a/*b' # c\nport = x", 3, "port must be");
}
END_TEST

START_TEST(what_looks_like_a_comment_inside_a_value_is_kept)
{
	load_ok("data_dir = \"/a#b//c/*d*/\"\nlogfile = '/x\"#y'\npidfile = /a//b\n");
	ck_assert_str_eq(config.data_dir, "/a#b//c/*d*/");
	ck_assert_str_eq(config.logfile, "/x\"#y");
	ck_assert_str_eq(config.pidfile, "/a//b");
	load_ok("/**/port=1 /* x */\n//\n#");
	ck_assert_uint_eq(config.port, 1);
}
END_TEST

START_TEST(plus_appends_to_what_stands_above_it)
{
	load_ok("listen = {127.0.0.1}\nlisten += {\"::1\"}\n");
	ck_assert_uint_eq(config.listen.count, 2);
	ck_assert_str_eq(config.listen.items[1], "::1");
	load_ok("listen += {127.0.0.2}\nallowed_hosts += {a}\nallowed_hosts += {b}\nsocket_admins += {}\n");
	ck_assert_uint_eq(config.listen.count, 1);
	ck_assert_str_eq(config.listen.items[0], "127.0.0.2");
	ck_assert_uint_eq(config.allowed_hosts.count, 2);
	ck_assert_str_eq(config.allowed_hosts.items[0], "a");
	ck_assert_str_eq(config.allowed_hosts.items[1], "b");
	ck_assert_uint_eq(config.socket_admins.count, 0);
	load_ok("allowed_hosts = {absent}\n");
	ck_assert_uint_eq(config.allowed_hosts.count, 1);
	refused("allowed_hosts = {\":\"}\n", 1, "allowed_hosts must be ");
}
END_TEST

START_TEST(only_loopback_unless_insecure_listen_says_so)
{
	static const char *const open[] = { "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "fe80::1",
		"::ffff:10.0.0.1" };
	char text[128];

	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		snprintf(text, sizeof(text), "\nlisten = {127.0.0.1, \"%s\"}\n", open[i]);
		refused(text, 2, "listen address '");
		ck_assert_ptr_nonnull(strstr(err.text, open[i]));
		strcat(text, "insecure_listen = true\n");
		load_ok(text);
	}
	ck_assert_int_eq(load("listen = {}\n"), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "listen must name at least one address"));
}
END_TEST

START_TEST(a_socket_path_must_fit_into_its_address)
{
	char text[256];
	char name[108] = "/";

	memset(name + 1, 'a', 106);
	snprintf(text, sizeof(text), "listen = {\"%s\"}\n", name);
	load_ok(text);
	ck_assert_uint_eq(strlen(config.listen.items[0]), 107);
	snprintf(text, sizeof(text), "listen = {\"%sa\"}\n", name);
	refused(text, 1, "listen must be a list");
}
END_TEST

START_TEST(a_compression_counts_only_when_it_is_built_in)
{
#ifdef HAVE_LZ4
	load_ok("compression = lz4\n");
	ck_assert_uint_eq(config.compression, 1);
#else
	refused("\ncompression = lz4\n", 2, "this kvstored was built without");
#endif
#ifdef HAVE_ZSTD
	load_ok("compression = zstd\n");
	ck_assert_uint_eq(config.compression, 2);
#else
	refused("\ncompression = zstd\n", 2, "this kvstored was built without");
#endif
	refused("compression = gzip\n", 1, "compression must be one of \"none\", \"lz4\", \"zstd\"");
}
END_TEST

START_TEST(what_is_printed_can_be_read_again)
{
	char *first = NULL;
	char *second = NULL;
	size_t len;
	FILE *to;

	load_ok("listen = {::1, \"/a b\\\"c\\\\d${'$'}\"}\nport = 1\nlogfile = \"/\\$HOME/\\x01\\x7f\"\n"
		"memtable_size = 65537\nblock_cache_size=3M\nallowed_hosts={a,b}\n"
		"shutdown=off\ninsecure_listen=on\n");
	to = open_memstream(&first, &len);
	config_print(&config, to);
	ck_assert_int_eq(fclose(to), 0);
	load_ok(first);
	ck_assert_str_eq(config.logfile, "/$HOME/\x01\x7f");
	ck_assert_uint_eq(config.memtable_bytes, 65537);
	to = open_memstream(&second, &len);
	config_print(&config, to);
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}
END_TEST

START_TEST(every_option_is_printed_once)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	size_t lines = 0;

	load_ok("");
	config_print(&config, to);
	ck_assert_int_eq(fclose(to), 0);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	ck_assert_uint_eq(lines, config_option_count);
	free(text);
}
END_TEST

START_TEST(every_default_passes_its_own_check)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (option->fallback)
			ck_assert_msg(config_option_check(option, option->fallback), "%s", option->name);
		ck_assert_ptr_eq(config_option_find(option->name), option);
	}
	ck_assert_ptr_null(config_option_find("nonsense"));
}
END_TEST

START_TEST(a_reload_takes_what_may_change_and_names_the_rest)
{
	struct config running = { 0 };
	struct config_source source = { .path = path };
	char restart[256];

	load_ok("port = 1\nlisten = {::1}\nuser = a\n");
	ck_assert_int_eq(config_load(&source, &running, &err), KV_OK);
	load_ok("port = 2\nlisten = {::1, 127.0.0.1}\nuser = b\nlog_level = debug\n"
		"flush_interval = 5\ncompaction_threshold = 9\nscrub_interval = 11\n");
	config_reload(&running, &config, restart, sizeof(restart));
	ck_assert_str_eq(restart, "listen, port, user");
	ck_assert_uint_eq(running.port, 1);
	ck_assert_str_eq(running.user, "a");
	ck_assert_uint_eq(running.log_level, 3);
	ck_assert_uint_eq(running.flush_interval_s, 5);
	ck_assert_uint_eq(running.compaction_threshold, 9);
	ck_assert_uint_eq(running.scrub_interval_s, 11);
	config_reload(&running, &running, restart, sizeof(restart));
	ck_assert_str_eq(restart, "");
	config_reload(&running, &config, restart, 4);
	ck_assert_str_eq(restart, "lis");
	config_free(&running);
}
END_TEST

START_TEST(a_missing_file_is_an_error_unless_it_may_be_missing)
{
	struct config_source source = { .path = "/nonexistent/kvstored.conf" };

	ck_assert_int_eq(config_load(&source, &config, &err), KV_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/kvstored.conf"));
	source.may_be_missing = true;
	ck_assert_int_eq(config_load(&source, &config, &err), KV_OK);
	ck_assert_uint_eq(config.port, 8080);
}
END_TEST

START_TEST(a_file_that_was_there_once_must_not_be_missing_later)
{
	struct config_source source = { .path = path, .may_be_missing = true };

	ck_assert_int_eq(config_load(&source, &config, &err), KV_OK);
	ck_assert_uint_eq(config.port, 8080);
	config_free(&config);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_OK);
	config_free(&config);
	write_bytes("port = 7\n", 9);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_OK);
	ck_assert_uint_eq(config.port, 7);
	config_free(&config);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_NOT_FOUND);
}
END_TEST

START_TEST(what_is_not_a_text_file_is_refused)
{
	struct config_source source = { .path = path };
	char *large;

	write_bytes("port = 1\0\n", 10);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_INVALID);
	large = calloc(1, (1 << 20) + 2);
	memset(large, '\n', (1 << 20) + 1);
	write_bytes(large, (1 << 20) + 1);
	free(large);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_INVALID);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_INVALID);
	source.path = directory;
	ck_assert_int_eq(config_load(&source, &config, &err), KV_INVALID);
}
END_TEST

START_TEST(a_symbolic_link_to_a_file_is_followed)
{
	char link_path[600];
	struct config_source source = { .path = link_path };

	snprintf(link_path, sizeof(link_path), "%s/link", directory);
	write_bytes("port = 7\n", 9);
	ck_assert_int_eq(symlink(path, link_path), 0);
	ck_assert_int_eq(config_load(&source, &config, &err), KV_OK);
	ck_assert_uint_eq(config.port, 7);
}
END_TEST

START_TEST(random_bytes_are_refused_or_read_but_never_crash)
{
	static const char *const words[] = { "port", "listen", "=", "{", "}", ",", "\"", "'", "\n", "#",
		"/*", "*/", "//", "\\", "1", "a", "${x}", "+=", "(", ")", " ", "\x80", "\\x" };
	uint64_t state = runner_seed();

	for (int i = 0; i < 3000; i++) {
		char text[512] = "";
		size_t count = runner_random(&state) % 20;

		for (size_t j = 0; j < count; j++)
			strcat(text, words[runner_random(&state) % (sizeof(words) / sizeof(words[0]))]);
		if (load(text) != KV_OK)
			ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "'%s'", err.text);
	}
}
END_TEST

START_TEST(every_failed_allocation_is_a_clean_refusal)
{
	struct config_source source = { .path = path, .run_dir = "/run/x" };
	static const char text[] = "listen = {::1, 127.0.0.1}\nport = 1\nallowed_hosts = {a}\nuser = b\n";
	uint64_t failed = 1;

	write_bytes(text, sizeof(text) - 1);
	for (uint64_t nth = 1; failed > 0; nth++) {
		kv_status status;

		fault_alloc_fail(nth, false);
		status = config_load(&source, &config, &err);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
		ck_assert_int_eq(config.data_dir == NULL, failed > 0);
		ck_assert_uint_lt(nth, 1000);
	}
	ck_assert_uint_eq(config.listen.count, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tests = tcase_create("config");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_empty_file_gives_the_defaults);
	tcase_add_test(tests, a_run_directory_adds_the_default_pidfile_and_socket);
	tcase_add_test(tests, every_option_can_be_set);
	tcase_add_test(tests, errors_name_file_line_and_what_was_expected);
	tcase_add_test(tests, a_bad_file_does_not_spoil_the_reading_of_the_next);
	tcase_add_test(tests, comments_do_not_shift_line_numbers);
	tcase_add_test(tests, what_looks_like_a_comment_inside_a_value_is_kept);
	tcase_add_test(tests, plus_appends_to_what_stands_above_it);
	tcase_add_test(tests, only_loopback_unless_insecure_listen_says_so);
	tcase_add_test(tests, a_socket_path_must_fit_into_its_address);
	tcase_add_test(tests, a_compression_counts_only_when_it_is_built_in);
	tcase_add_test(tests, what_is_printed_can_be_read_again);
	tcase_add_test(tests, every_option_is_printed_once);
	tcase_add_test(tests, every_default_passes_its_own_check);
	tcase_add_test(tests, a_reload_takes_what_may_change_and_names_the_rest);
	tcase_add_test(tests, a_missing_file_is_an_error_unless_it_may_be_missing);
	tcase_add_test(tests, a_file_that_was_there_once_must_not_be_missing_later);
	tcase_add_test(tests, what_is_not_a_text_file_is_refused);
	tcase_add_test(tests, a_symbolic_link_to_a_file_is_followed);
	tcase_add_test(tests, random_bytes_are_refused_or_read_but_never_crash);
	tcase_add_test(tests, every_failed_allocation_is_a_clean_refusal);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
