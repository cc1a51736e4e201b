#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# plot_http.sh: draws the medians of a run of bench_http.sh (its output on standard input) as an SVG on standard output;
# the whiskers are the least and the most of the rounds. Needs gnuplot.
set -eu
data=$(mktemp)
trap 'rm -f "$data"' EXIT
awk '/^(bare|kvstored|webdis)_(set|get) / {
	gsub(/[()]/, ""); split($1, name, "_")
	median[name[1], name[2]] = $2; least[name[1], name[2]] = $3; most[name[1], name[2]] = $5
}
END {
	split("set get", kind, " "); split("bare kvstored webdis", who, " ")
	label["set"] = "durable SET"; label["get"] = "GET"
	for (k = 1; k <= 2; k++) {
		printf("\"%s\"", label[kind[k]])
		for (w = 1; w <= 3; w++)
			printf(" %d %d %d", median[who[w], kind[k]], least[who[w], kind[k]], most[who[w], kind[k]])
		print ""
	}
}' >"$data"
gnuplot <<END
set terminal svg size 720,360 font "sans-serif,13" background "#ffffff"
set title "requests a second, 64 connections, 100-byte values, two processors"
set style data histogram
set style histogram errorbars gap 1.5 lw 1
set style fill solid 0.85 border -1
set yrange [0:*]
set format y "%'.0f"
set grid ytics lc rgb "#dddddd"
set key outside below center horizontal
plot "$data" using 2:3:4:xtic(1) title "bare libmicrohttpd" lc rgb "#b8b8b8", \\
	"" using 5:6:7 title "kvstored" lc rgb "#2a6f97", \\
	"" using 8:9:10 title "webdis + Redis, AOF always" lc rgb "#e07a5f"
END
