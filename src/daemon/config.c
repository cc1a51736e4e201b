/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the file, in this order: the text without comments, libconfuse, conversion.
 *
 * To libconfuse every option is a string or a list of strings; the types are ours, so that all errors read
 * alike. It passes no user pointer to its callbacks, and its scanner is global anyway: hence the one static
 * variable.
 */
#define _GNU_SOURCE
#include <config.h>
#include "daemon/config.h"
#include "daemon/config_file.h"
#include "daemon/config_option.h"
#include "daemon/config_value.h"

#include <confuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTIONS_MAX = 64 };

/* What the callbacks need to know about the parse they belong to. */
static struct {
	const char *path;
	struct kv_error *err;
	bool failed;              /* the first error is the one that is told */
	int lines[OPTIONS_MAX];   /* of the option's last value; 0: not in the file */
} parsing;

const char *config_find_run_dir(void)
{
	return access(CONFIG_RUN_DIR, W_OK | X_OK) == 0 ? CONFIG_RUN_DIR : NULL;
}

/* ---- libconfuse ---- */

static void complain(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(int line, const char *format, ...)
{
	char text[KV_ERROR_TEXT_MAX];
	va_list args;

	if (parsing.failed)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (line > 0)
		kv_error_set(parsing.err, KV_INVALID, "%s:%d: %s", parsing.path, line, text);
	else
		kv_error_set(parsing.err, KV_INVALID, "%s: %s", parsing.path, text);
	parsing.failed = true;
}

static void complain_about_value(int line, const struct config_option *option, const char *found)
{
	char expected[160];

	complain(line, "%s must be %s (%s)", option->name,
		config_option_expected(option, expected, sizeof(expected)), found);
}

/* libconfuse marks an option as modified before it has read the value: the first so marked, but never
 * seen by on_value, is the one it is at. */
static const struct config_option *option_without_value(cfg_t *cfg)
{
	for (size_t i = 0; i < config_option_count; i++) {
		cfg_opt_t *opt = cfg_getopt(cfg, config_options[i].name);

		if (opt && (opt->flags & CFGF_MODIFIED) && parsing.lines[i] == 0)
			return &config_options[i];
	}
	return NULL;
}

static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	char text[KV_ERROR_TEXT_MAX];
	const struct config_option *option = cfg ? option_without_value(cfg) : NULL;

	vsnprintf(text, sizeof(text), format, args);
	if (option)
		complain_about_value(cfg->line, option, text);
	else
		complain(cfg ? cfg->line : 0, "%s", text);
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct config_option *option = config_option_find(cfg_opt_name(opt));
	unsigned count = cfg_opt_size(opt);
	const char *text = count > 0 ? cfg_opt_getnstr(opt, count - 1) : NULL;
	char found[80];

	parsing.lines[option - config_options] = cfg->line;
	if (!text || config_option_check(option, text))
		return 0;
	snprintf(found, sizeof(found), "it is '%.60s'", text);
	complain_about_value(cfg->line, option, found);
	return -1;
}

static kv_status parse_text(cfg_t *cfg, char *text, size_t len, struct kv_error *err)
{
	FILE *stream;

	for (size_t i = 0; i < config_option_count; i++)
		cfg_set_validate_func(cfg, config_options[i].name, on_value);
	cfg_set_error_function(cfg, on_error);
	stream = fmemopen(text, len, "r");
	if (!stream)
		return kv_error_set(err, KV_NO_MEMORY, "cannot parse the configuration");
	if (cfg_parse_fp(cfg, stream) != CFG_SUCCESS)
		complain(cfg->line, "this is not the syntax of a configuration file");
	fclose(stream);
	return parsing.failed ? KV_INVALID : KV_OK;
}

/* ---- values ---- */

/* The defaults: of the table, and what has its place in run_dir. */
static kv_status set_default(const struct config_option *option, const char *run_dir, struct config *config)
{
	char path[128];
	const char *values[2] = { option->fallback, path };
	size_t count = option->fallback ? 1 : 0;

	if (run_dir && strcmp(option->name, "listen") == 0) {
		snprintf(path, sizeof(path), "%s/kvstored.sock", run_dir);
		count = 2;
	} else if (run_dir && strcmp(option->name, "pidfile") == 0) {
		snprintf(path, sizeof(path), "%s/kvstored.pid", run_dir);
		values[0] = path;
	}
	return config_option_set(option, config, values, count);
}

/* What a list has that the file does not set, which tells {} from nothing; no list takes it as a value. */
#define NOT_IN_FILE ":"

static kv_status set_from_file(const struct config_option *option, cfg_opt_t *opt, struct config *config)
{
	size_t count = cfg_opt_size(opt);
	const char **values = calloc(count + 1, sizeof(*values));
	size_t first = 0;
	kv_status status;

	if (!values)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		values[i] = cfg_opt_getnstr(opt, (unsigned)i);
	if (count > 1 && config_option_is_list(option) && strcmp(values[0], NOT_IN_FILE) == 0)
		first = 1; /* += with nothing above it */
	status = config_option_set(option, config, values + first, count - first);
	free(values);
	return status;
}

static kv_status convert(cfg_t *cfg, const char *run_dir, struct config *config, struct kv_error *err)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		cfg_opt_t *opt = cfg_getopt(cfg, option->name);
		bool in_file = parsing.lines[i] != 0 || cfg_opt_size(opt) == 0;
		kv_status status = in_file ? set_from_file(option, opt, config)
					   : set_default(option, run_dir, config);

		if (status != KV_OK)
			return kv_error_set(err, status, "cannot hold the configuration");
	}
	return KV_OK;
}

/* ---- what concerns more than one option ---- */

static int line_of(const char *option)
{
	return parsing.lines[config_option_find(option) - config_options];
}

static kv_status check_tls_address(const struct config *config, const char *address)
{
	const char *wrong = NULL;

	if (config_value_is_path(address))
		wrong = "is a path: Unix sockets belong into listen";
	else if (!config->insecure_listen && config->tokens_file[0] == '\0' && !config_value_is_local_address(address))
		wrong = "is not a loopback address: everybody who reaches it may read and write; set tokens_file, or "
			"insecure_listen = true to allow that";
	if (wrong)
		complain(line_of("tls_listen"), "tls_listen address '%.60s' %s", address, wrong);
	return wrong ? KV_INVALID : KV_OK;
}

static kv_status check_tls_listen(const struct config *config)
{
	kv_status status = KV_OK;

	for (size_t i = 0; i < config->tls_listen.count && status == KV_OK; i++)
		status = check_tls_address(config, config->tls_listen.items[i]);
	if (status == KV_OK && config->tls_listen.count > 0 &&
		(config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0')) {
		complain(line_of("tls_listen"), "tls_listen needs tls_certificate and tls_key");
		status = KV_INVALID;
	}
	return status;
}

static kv_status check_listen(const struct config *config)
{
	int line = line_of("listen");

	if (config->listen.count == 0 && config->tls_listen.count == 0) {
		complain(line, "listen must name at least one address");
		return KV_INVALID;
	}
	for (size_t i = 0; i < config->listen.count; i++) {
		if (config->insecure_listen || config_value_is_local_address(config->listen.items[i]))
			continue;
		complain(line, "listen address '%.60s' is not a loopback address: what passes there can be read and changed "
			       "on the way; put it into tls_listen, or set insecure_listen = true to allow that",
			config->listen.items[i]);
		return KV_INVALID;
	}
	return check_tls_listen(config);
}

#ifdef HAVE_LZ4
#define WITH_LZ4 true
#else
#define WITH_LZ4 false
#endif
#ifdef HAVE_ZSTD
#define WITH_ZSTD true
#else
#define WITH_ZSTD false
#endif

static kv_status check_compression(const struct config *config)
{
	static const struct {
		const char *name;
		bool built_in;
	} kinds[] = { { "none", true }, { "lz4", WITH_LZ4 }, { "zstd", WITH_ZSTD } };

	if (kinds[config->compression].built_in)
		return KV_OK;
	complain(line_of("compression"),
		"this kvstored was built without the compression \"%s\"", kinds[config->compression].name);
	return KV_INVALID;
}

static size_t path_len(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

/* By its name, also when it is not there yet, or on the disk. */
static bool is_same_place(const char *a, const char *b)
{
	struct stat one, other;

	if (path_len(a) == path_len(b) && memcmp(a, b, path_len(a)) == 0)
		return true;
	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* There the name of a checkpoint could be that of one of the store's own files. */
static kv_status check_backup_dir(const struct config *config)
{
	if (config->backup_dir[0] == '\0' || !is_same_place(config->backup_dir, config->data_dir))
		return KV_OK;
	complain(line_of("backup_dir"), "backup_dir is the data_dir; it must be another directory");
	return KV_INVALID;
}

static kv_status parse_and_convert(struct buf *text, const char *run_dir, struct config *config,
	struct kv_error *err)
{
	cfg_opt_t opts[OPTIONS_MAX];
	kv_status status;
	cfg_t *cfg;
	size_t n = 0;

	for (; n < config_option_count; n++) {
		const char *name = config_options[n].name;
		cfg_opt_t list = CFG_STR_LIST(name, "{\"" NOT_IN_FILE "\"}", CFGF_NONE);
		cfg_opt_t single = CFG_STR(name, "", CFGF_NONE);

		opts[n] = config_option_is_list(&config_options[n]) ? list : single;
	}
	opts[n] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return kv_error_set(err, KV_NO_MEMORY, "cannot parse the configuration");
	status = parse_text(cfg, (char *)text->data, text->len, err);
	if (status == KV_OK)
		status = convert(cfg, run_dir, config, err);
	if (status == KV_OK)
		status = check_listen(config);
	if (status == KV_OK)
		status = check_compression(config);
	if (status == KV_OK)
		status = check_backup_dir(config);
	cfg_free(cfg);
	return status;
}

static kv_status load_text(struct config_source *source, struct buf *text, struct kv_error *err)
{
	kv_status status = config_file_read(source->path, text, err);
	int line = 1;
	size_t stray;

	if (status == KV_NOT_FOUND && source->may_be_missing)
		status = KV_OK;
	else if (status == KV_OK)
		source->may_be_missing = false; /* a reload while an editor replaces it must not find the defaults */
	if (status == KV_OK && text->len == 0 && buf_append_byte(text, '\n') != KV_OK) /* for fmemopen */
		status = kv_error_set(err, KV_NO_MEMORY, "cannot hold '%s'", source->path);
	if (status != KV_OK)
		return status;
	stray = config_file_blank_comments((char *)text->data, text->len);
	if (stray == text->len)
		return KV_OK;
	for (size_t at = 0; at < stray; at++)
		line += text->data[at] == '\n';
	complain(line, "a backslash may stand only inside quotes");
	return KV_INVALID;
}

kv_status config_load(struct config_source *source, struct config *ret, struct kv_error *err)
{
	struct config config = { 0 };
	struct buf text = { 0 };
	kv_status status;

	memset(&parsing, 0, sizeof(parsing));
	parsing.path = source->path;
	parsing.err = err;
	status = load_text(source, &text, err);
	if (status == KV_OK)
		status = parse_and_convert(&text, source->run_dir, &config, err);
	buf_free(&text);
	if (status == KV_OK)
		*ret = config;
	else
		config_free(&config);
	return status;
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config_option_count; i++)
		config_option_clear(&config_options[i], config);
}

void config_print(const struct config *config, FILE *to)
{
	for (size_t i = 0; i < config_option_count; i++)
		config_option_print(&config_options[i], config, to);
}

void config_reload(struct config *running, const struct config *loaded, char *restart, size_t size)
{
	size_t len = 0;

	restart[0] = '\0';
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (option->reloadable)
			config_option_copy_number(option, running, loaded);
		else if (!config_option_equal(option, running, loaded) && len < size)
			len += (size_t)snprintf(restart + len, size - len, "%s%s",
				len == 0 ? "" : ", ", option->name);
	}
}
