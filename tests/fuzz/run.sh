#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh CORPORA [TARGET...]: runs the fuzzers of ./tests/fuzz, one after the other, for FUZZ_SECONDS each. All by default. Fails when one
# found something, after all have run.
set -u
corpora=$1
shift
if [ $# = 0 ]; then
	mapfile -t all < <(find tests/fuzz -name 'fuzz_*' | sed -nE 's|.*/fuzz_([a-z]+)$|\1|p' | sort)
	set -- "${all[@]}"
fi
export ASAN_OPTIONS="allocator_may_return_null=1:max_allocation_size_mb=256:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
failed=
for target; do
	mkdir -p "fuzz-corpus/$target" "fuzz-found/$target"
	if ! "tests/fuzz/fuzz_$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=4096 \
		-max_len=65536 -print_final_stats=1 -artifact_prefix="fuzz-found/$target/" "fuzz-corpus/$target" "$corpora/$target" \
		>"fuzz-found/$target.log" 2>&1; then
		failed="$failed $target"
		grep -hE 'ERROR|SUMMARY|runtime error|not so:|Test unit written' "fuzz-found/$target.log"
	fi
	printf '%-10s %s runs, %s new inputs\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz-found/$target.log")" \
		"$(sed -n 's/^stat::new_units_added: *//p' "fuzz-found/$target.log")"
done
[ -z "$failed" ] || { echo "found something in:$failed; see $PWD/fuzz-found"; exit 1; }
