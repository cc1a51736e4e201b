#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# goals.sh [http|engine]: the goals (goals.txt) as ratios of the last run of bench_http.sh and bench_engine.sh, as a table.
# goals.sh missed: those that are not met, as a list, each with what was measured and what limits.txt says of it.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
figures=$here/figures
long=$(mktemp) || exit 1
trap 'rm -f "$long" "$long.goals"' EXIT
[ ! -s "$results/http.csv" ] || awk -v prefix=http -v by=party,request,connections -f "$figures/csv_long.awk" \
	"$results/http.csv" >>"$long"
[ ! -s "$results/engine.csv" ] || awk -v by=compression,keys,value_size,engine,workload,threads \
	-f "$figures/csv_long.awk" "$results/engine.csv" | sed 's|^/||' >>"$long"
fact_of() {
	[ ! -s "$results/engine.facts" ] || awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$results/engine.facts"
}
keys=$(fact_of keys) big=$(fact_of 'many keys')
awk -v keys="${keys:-1000000}" -v big="${big:-20000000}" -f "$figures/stats.awk" -f "$figures/goals.awk" \
	"$figures/goals.txt" "$long" | awk -F '\t' '!(/^http-before/ && $9 == "not measured")' >"$long.goals"
case ${1:-all} in
http) sed -i '/^http-/!d' "$long.goals" ;;
engine) sed -i '/^http-/d' "$long.goals" ;;
esac
if [ "${1:-}" = missed ]; then
	awk -F '\t' 'FNR == NR { if ($0 !~ /^#/) { at = index($0, " "); why[substr($0, 1, at - 1)] = substr($0, at + 1) }; next }
		$9 == "not met" {
			printf("* %s: %.2f (%.2f to %.2f), to reach: %s. Medians %s and %s", $2, $3, $4, $5, $6, $7, $8)
			if ($10 != "-") printf("; processor time of an operation %s us%s", $10, $11 != "-" ? " and " $11 " us" : "")
			print "." ($1 in why ? " " why[$1] : "")
			n++
		}
		$9 == "not measured" { print "* " $2 ": not measured in this run."; n++ }
		END { if (!n) print "Nothing: every goal is met." }' "$figures/limits.txt" "$long.goals"
	exit
fi
printf '\nGoals: ratios of the medians; in parentheses the least and the most of the ratio within one round\n\n'
awk -F '\t' -v OFS='\t' 'BEGIN { print "goal", "ratio", "to reach", "", "medians" }
	{ print $2, $3 == "-" ? "-" : sprintf("%.2f (%.2f to %.2f)", $3, $4, $5), $6, $9, $7 == "-" ? "-" : $7 " / " $8 }' "$long.goals" |
	awk -f "$figures/align.awk"
awk -F '\t' '{ n[$9]++ } END { printf("\n%d met, %d not met, %d not measured\n", n["met"], n["not met"], n["not measured"]) }' \
	"$long.goals"
