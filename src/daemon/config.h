/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration: a flat file in libconfuse's syntax, read into one struct. What may stand in it is
 * the table of config_option.c; kvstored.conf(5) says the same in prose.
 *
 * Main thread only: libconfuse's scanner is global state.
 */
#ifndef KV_DAEMON_CONFIG_H
#define KV_DAEMON_CONFIG_H

#include "base/status.h"

#include <stddef.h>
#include <stdio.h>

/* Where systemd or tmpfiles make a directory for us: the default pidfile and Unix socket live there. */
#define CONFIG_RUN_DIR "/run/kvstored"

struct config_list {
	char **items; /* owned */
	size_t count;
};

/* Strings are owned and never NULL after config_load(). Numbers are within the ranges of the table. */
struct config {
	struct config_list listen; /* IP literals, "localhost", absolute socket paths */
	uint64_t port;             /* 0: any free one */
	struct config_list tls_listen; /* IP literals, "localhost" */
	uint64_t tls_port;
	char *tls_certificate; /* "": none */
	char *tls_key;
	struct config_list allowed_hosts;
	uint64_t insecure_listen;  /* 0, 1 */
	char *tokens_file;         /* "": nobody needs a token */
	uint64_t socket_role;      /* enum access_role */
	struct config_list socket_admins; /* names of users, and of groups after '@' */
	uint64_t rate_limit;       /* requests a second; 0: none */
	uint64_t rate_burst;       /* 0: as rate_limit */
	uint64_t request_limit;    /* 0: none */
	uint64_t shutdown;         /* enum server_shutdown */
	uint64_t http_threads;     /* 0: processors */
	uint64_t connection_limit;
	uint64_t max_header_bytes;
	uint64_t max_value_bytes;
	uint64_t max_batch_bytes;
	uint64_t snapshot_max_age_s;
	uint64_t snapshot_limit;

	char *data_dir;
	uint64_t flush_interval_s;
	uint64_t compaction_threshold;
	uint64_t scrub_interval_s;  /* 0: never */
	uint64_t memtable_bytes;
	uint64_t blob_threshold_bytes;
	uint64_t block_cache_bytes;
	uint64_t change_log_bytes; /* 0: no changes are told */
	uint64_t durability;  /* 0: commit, 1: os */
	uint64_t compression; /* enum store_compression */

	char *backup_dir; /* "": no checkpoints */
	char *pidfile; /* "": none */
	char *logfile; /* "": stderr in the foreground, syslog otherwise */
	uint64_t log_level; /* enum log_level */
	char *user;  /* "": stay who we are */
	char *group; /* "": the user's own */
};

struct config_source {
	const char *path;
	bool may_be_missing; /* then the built-in defaults are in effect; false once it was found */
	const char *run_dir; /* for the default pidfile and socket; NULL: there are none */
};

/* CONFIG_RUN_DIR when it is there and we may create files in it, else NULL. To be asked once, at the start:
 * who we are changes. */
const char *config_find_run_dir(void);

/* Reads and checks. KV_INVALID with "file:line: what was expected" in err->text; KV_NOT_FOUND, KV_IO for a file
 * that cannot be read; KV_NO_MEMORY. */
kv_status config_load(struct config_source *source, struct config *ret, struct kv_error *err);

/* Frees what it holds; safe on a zeroed one and twice. */
void config_free(struct config *config);

/* Every option with the value in effect, in the syntax of the file. */
void config_print(const struct config *config, FILE *to);

/* Takes over from `loaded` what may change in a running daemon. Writes the names of the other options that
 * differ, separated by ", ", to `restart` (at most `size` bytes with the NUL; "" when there are none). */
void config_reload(struct config *running, const struct config *loaded, char *restart, size_t size);

#endif
