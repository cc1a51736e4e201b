/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/rcu.h"

#ifdef KV_TSAN
char rcu_tsan_domain;
#else
typedef int rcu_needs_no_object; /* a translation unit may not be empty */
#endif
