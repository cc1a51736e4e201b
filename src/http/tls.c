/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handshake borrows the certificate that is current when it begins, without telling when it is done with it. So the replaced ones are
 * kept until the end: some KiB for each renewal, and none for a reload that finds the same bytes.
 *
 * GnuTLS asks for the certificate with nothing but its session, whose user pointer is libmicrohttpd's. But it asks on the thread
 * that serves the connection, and that knows whose it is.
 */
#define _GNU_SOURCE
#include "http/tls.h"

#include <gnutls/crypto.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CHAIN_MAX = 16, DIGEST_BYTES = 32 };

const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct certificate {
	gnutls_pcert_st chain[CHAIN_MAX]; /* constant, as all */
	unsigned count;
	gnutls_privkey_t key;
	uint8_t digests[2][DIGEST_BYTES]; /* of the files */
	struct certificate *older;
};

struct tls {
	_Atomic(struct certificate *) current; /* main thread writes; NULL: none yet */
};

static _Thread_local struct tls *served;

struct tls *tls_new(void)
{
	return calloc(1, sizeof(struct tls));
}

static struct certificate *certificate_free(struct certificate *certificate)
{
	for (unsigned i = 0; i < certificate->count; i++)
		gnutls_pcert_deinit(&certificate->chain[i]);
	if (certificate->key)
		gnutls_privkey_deinit(certificate->key);
	free(certificate);
	return NULL;
}

struct tls *tls_free(struct tls *tls)
{
	struct certificate *older;

	if (!tls)
		return NULL;
	for (struct certificate *c = atomic_load(&tls->current); c; c = older) {
		older = c->older;
		certificate_free(c);
	}
	free(tls);
	return NULL;
}

/* ---- reading ---- */

static kv_status refused(struct kv_error *err, const char *what, int code, const char *names)
{
	return kv_error_set(err, code == GNUTLS_E_MEMORY_ERROR ? KV_NO_MEMORY : KV_INVALID, "%s (%s): %s", what,
		names, gnutls_strerror(code));
}

static gnutls_datum_t datum_of(struct slice bytes)
{
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)bytes.data, .size = (unsigned)bytes.len };
}

/* 0 or a code of GnuTLS; *ret_fits: the key is that of the first certificate. */
static int compare_keys(const struct certificate *certificate, bool *ret_fits)
{
	uint8_t ids[2][DIGEST_BYTES];
	size_t sizes[2] = { DIGEST_BYTES, DIGEST_BYTES };
	gnutls_pubkey_t public_key;
	int code = gnutls_pubkey_init(&public_key);

	if (code < 0)
		return code;
	code = gnutls_pubkey_import_privkey(public_key, certificate->key, 0, 0);
	if (code >= 0)
		code = gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]);
	if (code >= 0)
		code = gnutls_pubkey_get_key_id(certificate->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]);
	if (code >= 0)
		*ret_fits = sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
	gnutls_pubkey_deinit(public_key);
	return code < 0 ? code : 0;
}

static kv_status read_pem(struct certificate *certificate, const char *names, struct slice chain,
	struct slice key, struct kv_error *err)
{
	gnutls_datum_t datum = datum_of(chain);
	unsigned count = CHAIN_MAX;
	bool fits = false;
	int code = gnutls_pcert_list_import_x509_raw(certificate->chain, &count, &datum, GNUTLS_X509_FMT_PEM,
		GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);

	if (code < 0)
		return refused(err, "the certificate cannot be read", code, names);
	certificate->count = count;
	datum = datum_of(key);
	code = gnutls_privkey_init(&certificate->key);
	if (code >= 0)
		code = gnutls_privkey_import_x509_raw(certificate->key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code < 0)
		return refused(err, "the private key cannot be read", code, names);
	code = compare_keys(certificate, &fits);
	if (code < 0)
		return refused(err, "the private key cannot be compared with the certificate", code, names);
	return fits ? KV_OK : kv_error_set(err, KV_INVALID, "the private key is not that of the certificate (%s)", names);
}

kv_status tls_set_certificate(struct tls *tls, const char *names, struct slice chain, struct slice key,
	struct kv_error *err)
{
	struct certificate *current = atomic_load(&tls->current);
	struct certificate *certificate = calloc(1, sizeof *certificate);
	kv_status status = KV_OK;

	if (!certificate || gnutls_hash_fast(GNUTLS_DIG_SHA256, chain.data, chain.len, certificate->digests[0]) < 0 ||
		gnutls_hash_fast(GNUTLS_DIG_SHA256, key.data, key.len, certificate->digests[1]) < 0)
		status = kv_error_set(err, KV_NO_MEMORY, "out of memory for the certificate");
	else if (!current || memcmp(current->digests, certificate->digests, sizeof current->digests) != 0)
		status = read_pem(certificate, names, chain, key, err);
	if (status == KV_OK && certificate && certificate->count > 0) {
		certificate->older = current;
		atomic_store(&tls->current, certificate);
	} else if (certificate) {
		certificate_free(certificate);
	}
	return status;
}

/* ---- serving ---- */

void tls_serve_on_this_thread(struct tls *tls)
{
	served = tls;
}

int tls_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
	unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	struct certificate *certificate = atomic_load_explicit(&served->current, memory_order_acquire);

	(void)session;
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	*ret_chain = certificate->chain;
	*ret_count = certificate->count;
	*ret_key = certificate->key;
	return 0;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

/* (libmicrohttpd 1 does it itself; twice is no harm) */
void tls_prepare(struct MHD_Connection *connection)
{
	static unsigned char http_1_1[] = "http/1.1";
	const gnutls_datum_t protocol = { .data = http_1_1, .size = sizeof http_1_1 - 1 };
	gnutls_session_t session = session_of(connection);

	if (session)
		(void)gnutls_alpn_set_protocols(session, &protocol, 1, 0); /* without it, clients speak 1.1 all the same */
}

bool tls_send(struct MHD_Connection *connection, struct slice bytes)
{
	gnutls_session_t session = session_of(connection);

	while (session && bytes.len > 0) {
		ssize_t n = gnutls_record_send(session, bytes.data, bytes.len);

		if (n <= 0)
			return false;
		bytes = slice_of(bytes.data + n, bytes.len - (size_t)n);
	}
	return session != NULL;
}
