/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS for tests that talk by bytes: a connection looks like any other socket, and a thread behind it encrypts. An end of sending becomes
 * TLS's own, and an end of the other side an end. Certificates are not checked here.
 */
#ifndef KV_SUPPORT_TLSPIPE_H
#define KV_SUPPORT_TLSPIPE_H

#include <stdint.h>

/* Writes a key and a certificate for localhost, signed by itself. */
void tlspipe_make_certificate(const char *certificate_path, const char *key_path);

/* A descriptor to 127.0.0.1:port; close() it. Without a handshake it just ends. */
int tlspipe_connect(uint16_t port);

#endif
