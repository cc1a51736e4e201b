/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One engine, one workload, one process: kvstored's engine through store/store.h, or LevelDB, RocksDB, LMDB, WiredTiger through their C
 * interfaces, with the same keys, values and orders. Prints one line of figures. Built where the others' libraries are; without them it has
 * fewer engines (--list). doc/benchmarks.md tells how it measures.
 */
#include "bench/report.h"
#include "bench/run.h"

#include "support/die.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static struct run run;
	struct settings settings;

	settings_parse(argc, argv, &settings);
	run_all(&settings, &run);
	report_print(&run);
	if (fflush(stdout) != 0)
		die_errno("cannot write");
	return 0;
}
