# SPDX-License-Identifier: BSD-2-Clause
# engine_table.awk: the tables of one group of cells of bench_engine, "compression/keys/value-size" in `group`, for align.awk:
#   awk -v group=none/1000000/100 -v kind=speed -f stats.awk -f engine_table.awk long
# kind=speed: operations a second, a row for each workload and a column for each engine; kind=all: every figure.
BEGIN { FS = "\t" }
{ remember($1, $2, $3, $4) }

function collect(   i, part, order, n) {
	n = split("kvstored leveldb rocksdb lmdb wiredtiger none", order, " ")
	for (i = 1; i <= cell_count; i++) {
		split(cell_name[i], part, "/")
		if (part[1] "/" part[2] "/" part[3] != group) continue
		if (!((part[5], part[6]) in row_known)) {
			row_known[part[5], part[6]] = 1
			row_workload[++rows] = part[5]
			row_threads[rows] = part[6]
		}
		engine_known[part[4]] = 1
	}
	for (i = 1; i <= n; i++)
		if (order[i] in engine_known) engine[++engines] = order[i]
}

function shown(cell, metric, scale) {
	return over_rounds(cell, metric) ? human(middle / scale) : "-"
}

function shown_spread(cell, metric) {
	return over_rounds(cell, metric) ? human(middle) " (" human(least) " to " human(most) ")" : "-"
}

function speed(   r, e, line, cell) {
	line = "ops/s\tthreads"
	for (e = 1; e <= engines; e++) line = line "\t" (engine[e] == "none" ? "no engine" : engine[e])
	print line
	for (r = 1; r <= rows; r++) {
		line = row_workload[r] "\t" row_threads[r]
		for (e = 1; e <= engines; e++) {
			cell = group "/" engine[e] "/" row_workload[r] "/" row_threads[r]
			line = line "\t" shown(cell, "ops_per_s", 1)
		}
		print line
	}
}

function every(   r, e, cell) {
	print "workload\tthreads\tengine\tops/s\tCPU s\tCPU us/op\tCPU s after\twrite amp.\tspace amp.\tpeak MiB\tp50 us\tp99 us\tp99.9 us"
	for (r = 1; r <= rows; r++)
		for (e = 1; e <= engines; e++) {
			cell = group "/" engine[e] "/" row_workload[r] "/" row_threads[r]
			if (!over_rounds(cell, "ops_per_s")) continue
			print row_workload[r] "\t" row_threads[r] "\t" engine[e] "\t" shown_spread(cell, "ops_per_s") "\t" \
				shown(cell, "cpu_s", 1) "\t" shown(cell, "cpu_us_per_op", 1) "\t" shown(cell, "cpu_settle_s", 1) "\t" \
				shown(cell, "write_amp", 1) "\t" shown(cell, "space_amp", 1) "\t" shown(cell, "memory_bytes", 1048576) "\t" \
				shown(cell, "p50_us", 1) "\t" shown(cell, "p99_us", 1) "\t" shown(cell, "p999_us", 1)
		}
}

END {
	collect()
	if (kind == "speed") speed()
	else every()
}
