/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum of long input with the wide vectors that not every processor has. Private to checksum.c. */
#ifndef KV_BASE_CHECKSUM_WIDE_H
#define KV_BASE_CHECKSUM_WIDE_H

#include "base/slice.h"

/* Do the compiler and this processor have them? */
bool checksum_wide_available(void);
/* As checksum64(). Only when they are available. */
uint64_t checksum_wide(struct slice data, uint64_t seed);

#endif
