#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The figures that the benches report are what the CSV says: medians, spread and ratios of figures/canned_*.csv, worked out by hand.
set -u
figures=${top_srcdir:?}/tests/bench/figures
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0

# expect WHAT LINE FILE: a line of the file is LINE, where one blank stands for any and for tabs
expect() {
	tr -s '\t ' ' ' <"$3" | grep -Fxq -- "$2" && return
	printf 'FAILED: %s: no line "%s" in\n%s\n' "$1" "$2" "$(cat "$3")"
	failed=1
}

cp "$figures/canned_http.csv" "$work/http.csv"
cp "$figures/canned_engine.csv" "$work/engine.csv"
printf 'keys\t1000\nmany keys\t20000\n' >"$work/engine.facts"
RESULTS=$work bash "$figures/goals.sh" >"$work/goals" || failed=1

# kvstored's median is 108000, bare's 110000; within the rounds 0.9, 0.9 and 1.05
expect 'ratio of medians' '| GET / bare handler, 64 connections | 0.98 (0.90 to 1.05) | at least 0.95 | met | 108000 / 110000 |' "$work/goals"
# 11 / 9.5; within the rounds 1.10, 1.33 and 1.05
expect 'goal that is not met' '| CPU of a GET / bare handler | 1.16 (1.05 to 1.33) | at most 1.15 | not met | 11.0 / 9.50 |' "$work/goals"
# an even number of rounds: the mean of the two in the middle; a ratio that is just what is to be reached meets it
expect 'even number of rounds' '| durable SET / bare handler, the same request | 0.80 (0.70 to 0.90) | at least 0.8 | met | 80000 / 100000 |' "$work/goals"
# the row of round 3 was cut short by the end of the run
expect 'row cut short' '| durable SET at 256 connections / at 64 | 1.00 (1.00 to 1.00) | at least 1 | met | 80000 / 80000 |' "$work/goals"
expect 'what was not measured' '| GET at 256 connections / at 64 | - | at least 1 | not measured | - |' "$work/goals"
# engine: the cell of the right compression, keys and threads; the many keys of the run
expect 'threads' '| readrandom, 2 threads / LMDB | 1.10 (1.00 to 1.20) | at least 1 | met | 1100 / 1000 |' "$work/goals"
expect 'other compression is another cell' '| readrandom, 1 thread / LMDB | 0.50 (0.50 to 0.50) | at least 1 | not met | 400 / 800 |' "$work/goals"
expect 'two metrics of one cell' '| space after overwriting all three times / live data | 1.12 (1.12 to 1.12) | at most 1.15 | met | 1120 / 1000 |' "$work/goals"
expect 'many keys' '| bytes written for the large random fill / RocksDB | 0.90 (0.90 to 0.90) | at most 1 | met | 9000 / 10000 |' "$work/goals"
expect 'worst of all workloads' '| peak memory, worst workload / memtables + cache + 40 MiB | 0.50 (0.21 to 0.50) | at most 1 | met | 240 / 480 |' "$work/goals"
expect 'sum' '10 met, 2 not met, 11 not measured' "$work/goals"

awk -v prefix=http -v by=party,request,connections -f "$figures/csv_long.awk" "$work/http.csv" >"$work/long"
awk -v request=get -f "$figures/stats.awk" -f "$figures/http_table.awk" "$work/long" | awk -f "$figures/align.awk" >"$work/table"
expect 'table of GET' '| 64 | kvstored | 108000 (90000 to 115500) | 11.0 (10.0 to 12.0) | 620 | 2100 (2000 to 6000) |' "$work/table"

# a line of bench_engine: what follows from its figures, and options with commas and blanks do no harm
{
	awk -v head=1 -f "$figures/engine_csv.awk"
	echo 'engine=kvstored version=0.1 (a, b) workload=overwrite keys=1000 value_size=84 threads=1 compression=none seed=1 cache_mb=256' \
		'write_buffer_mb=64 ops=1000 seconds=0.5 ops_per_s=2000.0 cpu_s=0.004 cpu_settle_s=0.25 p50_us=1.5 p99_us=9 user_bytes=100000 written_bytes=350000' \
		'written_load_bytes=150000 disk_bytes=110000 live_bytes=100000 peak_memory_bytes=1000000 harness_bytes=400000' \
		'options="a, b=c; d, ops=7"' | awk -v round=3 -v frozen=2 -f "$figures/engine_csv.awk"
} >"$work/one.csv"
awk -v by=compression,keys,value_size,engine,workload,threads -f "$figures/csv_long.awk" "$work/one.csv" >"$work/long"
for line in 'ops_per_s 3 2000.0' 'cpu_us_per_op 3 4.000' 'write_amp 3 2.0000' 'space_amp 3 1.1000' 'memory_bytes 3 600000' \
	'memory_limit_bytes 3 511705088' 'ops 3 1000'; do
	expect 'line of bench_engine' "/none/1000/84/kvstored/overwrite/1 $line" "$work/long"
done

# what an engine still does after the last operation stands beside what it did until then
sed 's|^/||' "$work/long" | awk -v group=none/1000/84 -v kind=all -f "$figures/stats.awk" -f "$figures/engine_table.awk" |
	awk -f "$figures/align.awk" >"$work/table"
expect 'processor time after the measured part' \
	'| overwrite | 1 | kvstored | 2000 (2000 to 2000) | 0.00 | 4.00 | 0.25 | 2.00 | 1.10 | 0.57 | 1.50 | 9.00 | - |' "$work/table"
exit $failed
