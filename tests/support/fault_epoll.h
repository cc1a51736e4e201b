/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes epoll take no more connections, as it does when the kernel has no memory or the user no watches left. A program that calls
 * this has an epoll_ctl() of its own, which its shared libraries call, too.
 */
#ifndef KV_SUPPORT_FAULT_EPOLL_H
#define KV_SUPPORT_FAULT_EPOLL_H

/* So many of the next connections (stream sockets) that are to be added are refused with ENOSPC. Any thread. */
void fault_epoll_refuse(unsigned count);

/* How many of them are still to come. */
unsigned fault_epoll_left(void);

#endif
