/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration to what store and server take. Borrows the configuration's strings. */
#ifndef KV_DAEMON_SETTINGS_H
#define KV_DAEMON_SETTINGS_H

#include "daemon/config.h"
#include "http/server.h"
#include "store/store.h"

struct store_tunables settings_of_tunables(const struct config *config);
struct store_options settings_of_store(const struct config *config);
struct server_options settings_of_server(const struct config *config);

#endif
