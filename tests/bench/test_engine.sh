#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench_engine with few keys and kvstored's engine: workloads of each kind run and find what they wrote, and what is wrong, missing or too much ends a
# run with status 1.
set -u
bench=${top_builddir:-.}/tests/bench/bench_engine
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvbench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

run() { # WORKLOAD OPTION...
	"$bench" --engine=kvstored --workload="$1" --dir="$dir/db" --keys=3000 --write-buffer-mb=1 --no-settle "${@:2}"
}

expect() { # WHAT FIELD=VALUE WORKLOAD OPTION...: the field is in the line
	local what=$1 field=$2 line
	shift 2
	line=$(run "$@") && [[ " $line " == *" $field "* ]] && return
	echo "FAILED: $what: no $field in: $line"
	failed=1
}

refuse() { # WHAT STATUS OPTION...
	local what=$1 status=$2
	shift 2
	run "$@" >/dev/null 2>"$dir/err"
	[ $? = "$status" ] && return
	echo "FAILED: $what does not end with status $status: $(cat "$dir/err")"
	failed=1
}

"$bench" --list | grep -q '^engine  *kvstored ' || { echo 'FAILED: no kvstored in the list'; failed=1; }
expect 'what was filled is there' verified=10000 fillrandom --threads=2
expect 'a walk sees every entry' entries=6000 readseq --no-load --ops=6000
expect 'a walk backwards, too' entries=3000 readreverse --no-load --ops=3000
expect 'scans' ops=100 scan100 --no-load --ops=100
expect 'keys between are missing' missing=500 readmissing --no-load --ops=500 --threads=2
refuse 'a value of another seed' 1 readrandom --no-load --ops=500 --seed=2
refuse 'a walk that lacks entries' 1 readseq --no-load --keys=3001 --ops=6000
refuse 'a directory that is not empty' 1 fillrandom
refuse 'a workload that there is not' 64 nonsense
rm -rf "$dir/db"
expect 'deleted and put again' verified=10000 deletereinsert
rm -rf "$dir/db"
expect 'YCSB E by threads' verified=10000 ycsb-e --ops=1000 --threads=3
rm -rf "$dir/db"
expect 'a log without an end' verified=10000 replay
rm -rf "$dir/db"
expect 'large values' verified=959 fillrandom --keys=20 --value-size=70000
exit $failed
