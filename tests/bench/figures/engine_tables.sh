#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# engine_tables.sh [speed|all]: the tables of the last run of bench_engine.sh: for each compression, number of keys and size of
# values how many operations a second, and every figure.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
figures=$here/figures
long=$(mktemp) || exit 1
trap 'rm -f "$long"' EXIT
awk -v by=compression,keys,value_size,engine,workload,threads -f "$figures/csv_long.awk" "$results/engine.csv" |
	sed 's|^/||' >"$long"
cut -f1 "$long" | cut -d/ -f1-3 | awk '!seen[$0]++' | while IFS=/ read -r compression keys value_size; do
	case $compression in
	none) title='Not compressed' ;;
	*) title='Compressed by LZ4 (LevelDB and WiredTiger by Snappy; LMDB, which has none, not at all)' ;;
	esac
	printf '\n%s, %s keys, values of %s bytes, medians (least to most)\n' "$title" "$keys" "$value_size"
	for kind in ${1:-speed all}; do
		echo
		awk -v group="$compression/$keys/$value_size" -v kind="$kind" -f "$figures/stats.awk" -f "$figures/engine_table.awk" \
			"$long" | awk -f "$figures/align.awk"
	done
	awk -F '\t' -v group="$compression/$keys/$value_size/" '$2 == "settled" && $4 == 0 && index($1, group) == 1 {
		print "\nStill at work in the background after the longest wait, round " $3 ": " substr($1, length(group) + 1) }' "$long"
done
