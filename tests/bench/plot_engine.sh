#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# plot_engine.sh: draws the medians of the last run of bench_engine.sh in the directory of the results: bench-engine.svg
# (operations a second, a panel for each workload, not compressed), bench-engine-latency.svg (p50, p99 and p99.9 of the same) and,
# when there was more than one number of keys, bench-engine-scale.svg (throughput and p99 by keys). The whiskers are the least and
# the most of the rounds. Without gnuplot it says so.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
. "$here/plot_lib.sh"
rm -f "$results/bench-engine"*.svg # those of another run are not of this one
command -v gnuplot >/dev/null || { echo "no plots: gnuplot is not installed"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
awk -v by=compression,keys,value_size,engine,workload,threads -f "$here/figures/csv_long.awk" "$results/engine.csv" |
	sed 's|^/||' >"$work/long"
keys=$(awk -F '\t' '$1 == "keys" { print $2 }' "$results/engine.facts")

# Files: panel.NN (engine, rate, least, most, p50, p99, p99.9) with their titles in `panels`; scale.WORKLOAD.ENGINE (keys, rate,
# least, most, p99, least, most), their workloads in `scales`.
awk -v dir="$work" -v group="none/$keys/100" -f "$here/figures/stats.awk" -f <(cat <<'AWK'
BEGIN { FS = "\t" }
{ remember($1, $2, $3, $4) }
function triple(cell, metric) { return over_rounds(cell, metric) ? middle " " least " " most : "NaN NaN NaN" }
function one(cell, metric) { return over_rounds(cell, metric) ? middle : "NaN" }
END {
	engines = split("kvstored leveldb rocksdb lmdb wiredtiger", engine, " ")
	for (i = 1; i <= cell_count; i++) {
		split(cell_name[i], part, "/")
		if (part[4] == "none") continue
		if (part[1] "/" part[2] "/" part[3] == group && !((part[5], part[6]) in row_known)) {
			row_known[part[5], part[6]] = 1
			row[++rows] = part[5] "/" part[6]
			print part[5] (part[6] > 1 ? ", " part[6] " threads" : "") >(dir "/panels")
		}
		if (part[1] == "none" && part[3] == 100 && part[6] == 1 && !((part[5], part[2]) in size_known)) {
			size_known[part[5], part[2]] = 1
			sizes[part[5]]++
			if (!(part[2] in known_size)) { known_size[part[2]] = 1; size[++n] = part[2] + 0 }
		}
	}
	for (r = 1; r <= rows; r++)
		for (e = 1; e <= engines; e++) {
			split(row[r], part, "/")
			cell = group "/" engine[e] "/" part[1] "/" part[2]
			if (!over_rounds(cell, "ops_per_s")) continue
			print engine[e], triple(cell, "ops_per_s"), one(cell, "p50_us"), one(cell, "p99_us"), one(cell, "p999_us") \
				>(dir "/panel." r)
		}
	sort(size, n)
	for (w in sizes) {
		if (sizes[w] < 2) continue
		print w >(dir "/scales")
		for (e = 1; e <= engines; e++)
			for (i = 1; i <= n; i++) {
				cell = "none/" size[i] "/100/" engine[e] "/" w "/1"
				if (over_rounds(cell, "ops_per_s"))
					print size[i], triple(cell, "ops_per_s"), triple(cell, "p99_us") >(dir "/scale." w "." engine[e])
			}
	}
}
AWK
) "$work/long"

engines=(kvstored leveldb rocksdb lmdb wiredtiger)
declare -A color=([kvstored]='#2a6f97' [leveldb]='#6a994e' [rocksdb]='#e07a5f' [lmdb]='#d4a72c' [wiredtiger]='#9d6b9e')

# points FILE: p50, p99 and p99.9 of each line, joined
points() {
	local name line=0 out=''
	while read -r name _; do
		out+="${out:+, }'$1' every ::$line::$line using ($line):5:(0):(\$7-\$5) with vectors nohead lw 3 lc rgb '${color[$name]}' notitle"
		out+=", '$1' every ::$line::$line using ($line):5:xtic(1) with points pt 6 ps 0.7 lc rgb '${color[$name]}' notitle"
		out+=", '$1' every ::$line::$line using ($line):6 with points pt 7 ps 0.8 lc rgb '${color[$name]}' notitle"
		out+=", '$1' every ::$line::$line using ($line):7 with points pt 8 ps 0.8 lc rgb '${color[$name]}' notitle"
		line=$((line + 1))
	done <"$1"
	echo "$out"
}

# panels KIND ARGUMENT...: a plot for each workload
panels() {
	local title number=0
	while read -r title; do
		number=$((number + 1))
		echo "set title \"$title\""
		echo "plot $($1 "$work/panel.$number" "${@:2}")"
	done <"$work/panels"
}

style='set grid ytics lc rgb "#dddddd"; set border 3; set tics nomirror; set format y "%.1s%c"; set style fill solid 0.9 border -1'
draw() {
	gnuplot || die "gnuplot failed"
	echo "plot: $results/$1"
}

if [ -s "$work/panels" ]; then
	rows=$((($(wc -l <"$work/panels") + 3) / 4))
	head="set terminal svg size 1100,$((rows * 210 + 40)) font \"sans-serif,11\" background \"#ffffff\""
	{
		echo "$head; set output \"$results/bench-engine.svg\"; $style"
		echo "set xrange [-0.6:*]; set yrange [0:*]; set xtics rotate by -25 font \",9\""
		echo "set multiplot layout $rows,4 title \"operations a second, $keys keys of 16 bytes, values of 100, not compressed\""
		panels bars 2
	} | draw bench-engine.svg
	{
		echo "$head; set output \"$results/bench-engine-latency.svg\"; $style"
		echo "set xrange [-0.6:*]; set offsets 0.6, 0.6, 0, 0; set logscale y; set format y \"%g\"; set xtics rotate by -25 font \",9\""
		echo "set multiplot layout $rows,4 title \"latency in us: p50 (circle), p99 (dot), p99.9 (triangle)\""
		panels points
	} | draw bench-engine-latency.svg
fi
if [ -s "$work/scales" ]; then
	{
		echo "set terminal svg size 960,$(($(wc -l <"$work/scales") * 300 + 40)) font \"sans-serif,12\" background \"#ffffff\""
		echo "set output \"$results/bench-engine-scale.svg\"; $style"
		echo "set logscale x; set format x \"%.0s%c\"; set xlabel \"keys\""
		echo "set multiplot layout $(wc -l <"$work/scales"),2 title \" \\n \""
		echo 'unset key'
		legend 30 "${engines[@]}"
		sort "$work/scales" | while read -r workload; do
			echo "unset logscale y; set yrange [0:*]; set title \"$workload, ops/s\"; plot $(lines "$work/scale.$workload" 2 "${engines[@]}")"
			echo "set logscale y; set yrange [*:*]; set title \"$workload, p99 in us\"; plot $(lines "$work/scale.$workload" 5 "${engines[@]}")"
		done
	} | draw bench-engine-scale.svg
fi
exit 0
