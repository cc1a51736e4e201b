#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# plot_http.sh: draws the medians of the last run of bench_http.sh: bench-http.svg (64 connections, or the most that there are:
# requests a second, processor time a request) and bench-http-connections.svg (requests a second and p99 by connections), in
# the directory of the results. The whiskers are the least and the most of the rounds. Without gnuplot it says so.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
. "$here/plot_lib.sh"
rm -f "$results/bench-http"*.svg # those of another run are not of this one
command -v gnuplot >/dev/null || { echo "no plots: gnuplot is not installed"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
awk -v prefix=http -v by=party,request,connections -f "$here/figures/csv_long.awk" "$results/http.csv" >"$work/long"

# Files of the plots: bars (request "party" then rate and cpu, each median least most) and lines.REQUEST.PARTY
# (connections, rate, least, most, p99, least, most).
awk -v dir="$work" -f "$here/figures/stats.awk" -f <(cat <<'AWK'
BEGIN { FS = "\t" }
{ remember($1, $2, $3, $4) }
function triple(cell, metric) { return over_rounds(cell, metric) ? middle " " least " " most : "NaN NaN NaN" }
END {
	kinds = split("get set", kind, " ")
	order = split("bare kvstored before nginx redis webdis etcd", party, " ")
	for (i = 1; i <= cell_count; i++) {
		split(cell_name[i], part, "/")
		counts[part[4] + 0] = 1
		if (part[4] + 0 > most_connections) most_connections = part[4] + 0
	}
	for (c in counts) list[++n] = c + 0
	sort(list, n)
	at = 64 in counts ? 64 : most_connections
	print at >(dir "/at")
	for (k = 1; k <= kinds; k++)
		for (p = 1; p <= order; p++) {
			for (i = 1; i <= n; i++) {
				cell = "http/" party[p] "/" kind[k] "/" list[i]
				if (!over_rounds(cell, "requests_per_s")) continue
				print i, triple(cell, "requests_per_s"), triple(cell, "p99_us"), list[i] >(dir "/lines." kind[k] "." party[p])
				if (list[i] == at)
					print party[p], triple(cell, "requests_per_s"), triple(cell, "cpu_us") >(dir "/bars." kind[k])
			}
		}
	for (i = 1; i <= n; i++) tics = tics (i > 1 ? ", " : "") "\"" list[i] "\" " i
	print tics >(dir "/tics")
}
AWK
) "$work/long"

parties=(bare kvstored before nginx redis webdis etcd)
declare -A color=([bare]='#b8b8b8' [kvstored]='#2a6f97' [before]='#8ab6d6' [nginx]='#6a994e' [redis]='#e07a5f'
	[webdis]='#f2cc8f' [etcd]='#9d6b9e')

measured=()
for party in "${parties[@]}"; do
	[ ! -s "$work/lines.get.$party" ] || measured+=("$party")
done

common='set grid ytics lc rgb "#dddddd"; set border 3; set tics nomirror; set format y "%.0f"'
touch "$work/bars.get" "$work/bars.set"
gnuplot <<END || die "gnuplot failed"
set terminal svg size 960,560 font "sans-serif,12" background "#ffffff"
set output "$results/bench-http.svg"
$common
set style fill solid 0.9 border -1
set yrange [0:*]
set xrange [-0.6:*]
set xtics font ",11"
set multiplot layout 2,2 title "$(cat "$work/at") connections, 100-byte values, $(nproc) processors; every SET durable (bare: nothing stored)"
set title "GET, requests/s"
plot $(bars "$work/bars.get" 2)
set title "SET, requests/s"
plot $(bars "$work/bars.set" 2)
set format y "%.0f"
set title "GET, us of server processor a request"
plot $(bars "$work/bars.get" 5)
set title "SET, us of server processor a request"
plot $(bars "$work/bars.set" 5)
unset multiplot
set terminal svg size 960,640 font "sans-serif,12" background "#ffffff"
set output "$results/bench-http-connections.svg"
set multiplot layout 2,2 title " \n "
set xrange [0.7:$(awk -F, '{ print NF + 0.3 }' "$work/tics")]
set xtics ($(cat "$work/tics"))
set xlabel "connections"
$(legend 22 "${measured[@]}")
unset key
set title "GET, requests/s"
plot $(lines "$work/lines.get" 2 "${parties[@]}")
set title "SET, requests/s"
plot $(lines "$work/lines.set" 2 "${parties[@]}")
set logscale y
set yrange [*:*]
set title "GET, p99 in us"
plot $(lines "$work/lines.get" 5 "${parties[@]}")
set title "SET, p99 in us"
plot $(lines "$work/lines.set" 5 "${parties[@]}")
unset multiplot
END
echo "plots: $results/bench-http.svg, $results/bench-http-connections.svg"
