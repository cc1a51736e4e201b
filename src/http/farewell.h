/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of clients that were refused while they may still be sending. Closed at once, what they send would be answered by a
 * reset, which may overtake the answer. So what they send is read and dropped until they end, or for a few seconds.
 */
#ifndef KV_HTTP_FAREWELL_H
#define KV_HTTP_FAREWELL_H

#include <stdbool.h>
#include <stdint.h>

struct farewell;

/* For at most `max` clients at a time, but never more than 64. NULL: no memory or no descriptor. */
struct farewell *farewell_new(unsigned max);
struct farewell *farewell_free(struct farewell *farewell); /* closes all; NULL is allowed; returns NULL */

/* Takes over `fd`, which is closed at once when there are too many. Any thread. */
void farewell_add(struct farewell *farewell, int fd);

/* The same with a second descriptor of the connection of `fd`. Any thread. */
void farewell_add_copy(struct farewell *farewell, int fd);

/* Readable when farewell_turn() has something to read. */
int farewell_poll_fd(const struct farewell *farewell);

/* Reads, and closes those that have ended or whose time is over. Acceptor thread. */
void farewell_turn(struct farewell *farewell, uint64_t now_us);

/* Closes the one that was there first; false: there is none. Acceptor thread. */
bool farewell_end_first(struct farewell *farewell);

bool farewell_is_empty(struct farewell *farewell);

#endif
