/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory for a test program that is no Check suite (those use runner.h). A failure ends the program. */
#ifndef KV_SUPPORT_TEMPDIR_H
#define KV_SUPPORT_TEMPDIR_H

/* The path of a new empty directory below $TMPDIR or /tmp; goes with tempdir_remove(). */
char *tempdir_new(void);

/* Removes it with all it holds, and frees the path. */
void tempdir_remove(char *path);

#endif
