#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# publish.sh: puts the last results of bench_engine.sh and bench_http.sh into doc/benchmarks.md, doc/*.svg and README of the source
# tree (make bench-publish); what there are no results of stays as it is. Those of `make bench-other` are by themselves. Between the lines "<!-- begin NAME -->" and "<!-- end NAME -->" of the former stands what this
# script prints for NAME, and nothing that is written by hand; in README, what follows its picture up to the next section.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
others=${OTHERS:-$top_builddir/bench-other}

# has_results DIRECTORY NAME...
has_results() {
	local name
	for name in "${@:2}"; do
		[ -s "$1/$name.csv" ] && [ -s "$1/$name.facts" ] || return 1
	done
}

goals='' other=''
! has_results "$results" engine http || goals=1
! has_results "$others" engine || other=1
[ -n "$goals$other" ] || die "no results: neither of make bench in $results nor of make bench-other in $others"

fact_of() {
	awk -F '\t' -v name="$2" '$1 == name { print $2; exit }' "$results/$1.facts"
}

facts_table() {
	{
		printf 'what\tthis run\n'
		cat "$results/$1.facts"
		[ "$1" != engine ] || disk_rate
	} | awk -f "$here/figures/align.awk"
}

# What the disk does, as the workload without an engine found it.
disk_rate() {
	awk -v by=compression,keys,value_size,engine,workload,threads -f "$here/figures/csv_long.awk" "$results/engine.csv" |
		awk -F '\t' -f "$here/figures/stats.awk" -f <(echo '$1 ~ /[/]none[/]diskrate[/]/ { remember("disk", $2, $3, $4) }
			END { if (over_rounds("disk", "ops_per_s"))
				print "fdatasync of the disk\t" human(middle) " (" human(least) " to " human(most) ") a second" }')
}

# The options of each engine, as it told them: once each.
engine_options() {
	awk 'match($0, /options=".*"/) { split($1, name, "="); text = substr($0, RSTART + 9, RLENGTH - 10)
			if (text != "" && !seen[name[2], text]++) print "* " name[2] ": " text }' "$results/engine.raw" | sort
}

plot() {
	local caption=$2
	if [ -s "$results/$1" ]; then
		cp "$results/$1" "$top_srcdir/doc/$1" || die "cannot write doc/$1"
		echo "![$caption]($1)"
	else
		rm -f "$top_srcdir/doc/$1"
		echo "No plot of $caption: this run drew none."
	fi
}

# block NAME: what stands there
block() {
	case $1 in
	engine-facts) facts_table engine ;;
	engine-options) engine_options ;;
	http-facts) facts_table http ;;
	goals) bash "$here/figures/goals.sh" | sed 1d ;;
	missed) bash "$here/figures/goals.sh" missed ;;
	engine-plots)
		plot bench-engine.svg 'operations a second of each workload and engine'
		echo
		plot bench-engine-latency.svg 'latency of each workload and engine: p50, p99 and p99.9'
		;;
	engine-scale) plot bench-engine-scale.svg 'operations a second and p99 by the number of keys' ;;
	engine-tables) bash "$here/figures/engine_tables.sh" | sed 1d ;;
	http-plots)
		plot bench-http.svg 'requests a second and processor time a request'
		echo
		plot bench-http-connections.svg 'requests a second and p99 by the number of connections'
		;;
	http-tables) sed -n '/^GET, median/,/^Goals:/p' "$results/http.txt" | sed '/^Goals:/d' ;;
	other-facts) results=$others facts_table engine ;;
	other-tables) RESULTS=$others bash "$here/figures/engine_tables.sh" | sed 1d ;;
	*) die "no such block: $1" ;;
	esac
}

# is_measured NAME: are there results for that block?
is_measured() {
	case $1 in
	other-*) [ -n "$other" ] ;;
	*) [ -n "$goals" ] ;;
	esac
}

readme() {
	local goals=$work/goals
	bash "$here/figures/goals.sh" >"$goals"
	echo '![requests a second and processor time a request of kvstored, a bare libmicrohttpd handler, nginx, Redis, webdis and etcd](doc/bench-http.svg)'
	echo
	awk -F '|' -v commit="$(fact_of http commit)" -v where="$(fact_of http processors), $(fact_of http disk), $(fact_of http kernel)" '
		{ name = $2; gsub(/^ +| +$/, "", name); split($3, part, " "); ratio[name] = part[1] }
		function of(name) { return (name in ratio) ? ratio[name] : "-" }
		END {
			print "The picture is of commit " commit " on " where ". Ratios of that run: GET " \
				of("GET / bare handler, 64 connections") " of the bare handler, durable SET " \
				of("durable SET / bare handler, the same request") " of it and " \
				of("durable SET / Redis, AOF always (RESP, redis-benchmark, 64 connections)") " of Redis with AOF always."
			print "The engine alone, in the same way: random inserts " of("fillrandom, not synced / LevelDB") \
				" of LevelDB, batches of 100 synced " of("batches of 100, synced / LevelDB") " of LevelDB, random reads " \
				of("readrandom, 1 thread / LMDB") " of LMDB, scans of 100 " of("scan of 100 / LMDB") " of LMDB."
			print "Of the goals that were set: " $0 "."
		}' "$goals" | fold -s -w 120 | sed 's/ *$//'
}

# fill FILE: its blocks anew
fill() {
	local line name=''
	while IFS= read -r line; do
		case $line in
		'<!-- begin '*' -->')
			name=${line#<!-- begin } name=${name% -->}
			if ! is_measured "$name"; then
				printf '%s\n' "$line"
				name=''
				continue
			fi
			printf '%s\n\n' "$line"
			block "$name" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
			echo
			;;
		"<!-- end $name -->")
			echo "$line"
			name=''
			;;
		*) [ -n "$name" ] || printf '%s\n' "$line" ;;
		esac
	done <"$1" >"$work/new"
	[ -z "$name" ] || die "$1: no end of $name"
	cat "$work/new" >"$1" || die "cannot write $1"
}

fill "$top_srcdir/doc/benchmarks.md"
if [ -z "$goals" ]; then
	echo "published: doc/benchmarks.md, the other work"
	exit
fi
readme >"$work/readme"
awk -v block="$work/readme" '/^!\[requests a second/ { skip = 1; while ((getline line <block) > 0) print line; print "" }
	/^## / { skip = 0 }
	!skip' "$top_srcdir/README" >"$work/new"
cat "$work/new" >"$top_srcdir/README" || die "cannot write README"
echo "published: doc/benchmarks.md, README, doc/bench-*.svg"
