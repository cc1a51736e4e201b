/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS as far as libmicrohttpd leaves it to us: the certificate, which can be replaced while connections are served. */
#ifndef KV_HTTP_TLS_H
#define KV_HTTP_TLS_H

#include "base/slice.h"
#include "base/status.h"

#include <gnutls/gnutls.h>
#include <gnutls/abstract.h>

struct MHD_Connection;
struct tls;

struct tls *tls_new(void); /* NULL: no memory */
struct tls *tls_free(struct tls *tls); /* after all connections; NULL is allowed; returns NULL */

/* For all handshakes from now on. KV_INVALID: not PEM, no certificate, the key is for another one; what is in use stays. Main thread. */
kv_status tls_set_certificate(struct tls *tls, const char *names, struct slice chain, struct slice key,
	struct kv_error *err);

/* ---- for front ---- */

/* TLS 1.2 and 1.3, nothing older. */
extern const char tls_priorities[];

/* Whose certificate the handshakes of this thread get; NULL: there are none. */
void tls_serve_on_this_thread(struct tls *tls);

/* Called by GnuTLS within a handshake, on the thread that was told. */
int tls_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
	unsigned *ret_count, gnutls_privkey_t *ret_key);

/* Before the handshake of a new connection. */
void tls_prepare(struct MHD_Connection *connection);

/* ---- for reply ---- */

/* Sends a few bytes past libmicrohttpd, which has none to send. False: they did not go out, not all at least. */
bool tls_send(struct MHD_Connection *connection, struct slice bytes);

#endif
