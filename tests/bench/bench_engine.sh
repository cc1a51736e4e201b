#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench_engine.sh: kvstored's engine beside LevelDB, RocksDB, LMDB and WiredTiger, those that are built into bench_engine, on the
# same work (make bench-engine). Each engine and workload is a fresh process on a fresh directory, the engines in turn, ROUNDS
# times; each round another one begins.
#
# Environment: SET (goals: the table of goals, with the engines that goals name; table: the same with all engines; lz4: compressed;
# more: YCSB, other sizes of values, open, replay; big: from KEYS to BIG keys, cold reads; all: table, lz4, more and big; or several of
# them), ENGINES and WORKLOADS (lists of names that narrow the set), ROUNDS (3), KEYS (1000000), BIG (20000000), SECONDS_EACH (3: of a
# workload that syncs every write), SEED (1), DIR (where the data lie, a real disk), APPEND=1 (adds to the results of the last run,
# replacing what is measured anew), RESULTS (where they go). On two quiet processors the goals take a quarter of an hour, the table
# twice that; ROUNDS=1 a third. A run that was stopped leaves its measurements: `make bench-report`. Ends with 1 when kvstored
# failed; what another engine cannot do is left out with a line that says so.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
keys=${KEYS:-1000000} big=${BIG:-20000000} rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-3} sets=${SET:-goals} seed=${SEED:-1}
[ "$sets" != all ] || sets='table lz4 more big'
[ "$sets" != goals ] || ENGINES=${ENGINES:-kvstored leveldb lmdb}
program=$built/bench_engine
plan=$here/bench_engine.plan
csv=$results/engine.csv facts=$results/engine.facts
child='' failed=0

# the table is the work of the goals
sets=$(for set in $sets; do echo "${set/#table/goals}"; done | sort -u | tr '\n' ' ')
for set in $sets; do
	grep -q "^$set " "$plan" || die "no such SET: $set"
done
"$program" --list >"$results/engine.list" || die "cannot run $program"
awk -v sets=" $sets" 'FNR == NR { if ($1 == "workload") here[$2] = 1; next }
	index(sets, " " $1 " ") && !($2 in here) && !seen[$2]++ { print "left out: workload " $2 " (bench_engine does not have it)" }' \
	"$results/engine.list" "$plan"
engines=$(awk '$1 == "engine" { print $2 }' "$results/engine.list" | while read -r name; do
	case " ${ENGINES:-$name} " in *" $name "*) printf '%s ' "$name" ;; esac
done)
[ -n "$engines" ] || die "none of these engines is here: ${ENGINES:-}"
for name in leveldb rocksdb lmdb wiredtiger; do
	case " ${ENGINES:-$name} " in *" $name "*) ;; *) continue ;; esac
	case " $engines " in *" $name "*) ;; *) echo "left out: $name (bench_engine was built without it: its -dev package is missing)" ;; esac
done
base=$(mktemp -d "${DIR:-$top_builddir}/bench-engine.XXXXXX") || exit 1
frozen=$(sed -n 's/.*ENGINE_FROZEN_MAX = \([0-9]*\).*/\1/p' "$top_srcdir/src/engine/engine_internal.h")

cleanup() {
	local code=$?
	trap - EXIT INT TERM
	[ -z "$child" ] || kill -KILL "$child" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$base"
	exit $code
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# plan_lines: those of the sets that WORKLOADS does not leave out, with the numbers of this run in them
plan_lines() {
	awk 'FNR == NR { if ($1 == "workload") print "here " $2; next } { print }' "$results/engine.list" "$plan" |
		awk -v sets=" $sets" -v wanted=" ${WORKLOADS:-} " -v keys="$keys" -v big="$big" -v seconds="$seconds" '
		$1 == "here" { here[$2] = 1; next }
		/^(#|$)/ || !index(sets, " " $1 " ") || !($2 in here) { next }
		wanted !~ /^ *$/ && !index(wanted, " " $2 " ") { next }
		{
			gsub(/ KEYS /, " " keys " ")
			gsub(/ BIG /, " " big " ")
			gsub(/ MIDDLE /, " " int(big / 4) " ")
			gsub(/=SECONDS/, "=" seconds)
			print
		}'
}

# rotated N NAME...: the names, beginning with the N-th
rotated() {
	local from=$((($1 - 1) % ($# - 1))) names=("${@:2}")
	echo "${names[*]:from} ${names[*]:0:from}"
}

# run_one ENGINE WORKLOAD THREADS KEYS VALUE-SIZE COMPRESSION OPTION...: one process; a line of the CSV
run_one() {
	local keep='' loaded='' option options=() dir=$base/$1 code
	for option in "${@:7}"; do
		case $option in
		keep) keep=1 ;;
		--no-load) loaded=1 options+=("$option") ;;
		*) options+=("$option") ;;
		esac
	done
	if [ -n "$loaded" ] && [ ! -d "$dir" ]; then return; fi
	[ -n "$loaded" ] || rm -rf "$dir"
	"$program" --engine="$1" --workload="$2" --threads="$3" --keys="$4" --value-size="$5" --compression="$6" --seed="$seed" \
		--dir="$dir" "${options[@]}" >"$base/line" 2>"$base/errors" &
	child=$!
	wait "$child"
	code=$?
	child=''
	if [ $code != 0 ] || ! grep -q '^engine=' "$base/line"; then
		echo "left out: $1 $2, $3 threads, $4 keys, round $round: status $code: $(head -n 1 "$base/errors")"
		[ "$1" != kvstored ] || failed=1
		rm -rf "$dir"
		return
	fi
	[ -n "$keep" ] || rm -rf "$dir"
	cat "$base/line" >>"$results/engine.raw"
	awk -v round="$round" -v frozen="$frozen" -f "$here/figures/engine_csv.awk" "$base/line" >>"$csv"
	tail -n 1 "$csv" | awk -F , '{ printf("  round %d  %-11s %-16s %2d threads %9d keys of %d  %11.0f ops/s  %8.3f us of processor  p99 %9.1f us\n",
		$1, $2, $4, $7, $5, $6, $12, $15, $17) }'
}

describe() {
	describe_machine "$base"
	fact keys "$keys"
	fact 'many keys' "$big"
	fact rounds "$rounds"
	fact 'seconds of fillsync' "$seconds"
	awk '$1 == "engine" { $1 = ""; sub(/^ /, ""); name = $1; $1 = ""; print name "\t" $0 }' "$results/engine.list" | sed 's/\t */\t/'
	fact 'same for all' 'keys of 16 bytes, values half compressible, write buffer 64 MiB, cache 256 MiB, filter of 10 bits a key where there are filters'
}

# describe_again: the facts of the results that this run adds to; the goals must find their cells
describe_again() {
	[ "$keys" = "$(awk -F '\t' '$1 == "keys" { print $2 }' "$facts")" ] || die "APPEND: the results are of another number of KEYS"
	case " $sets" in *' big '*) sed -i "s/^many keys\t.*/many keys\t$big/" "$facts" ;; esac
	fact "added $(date -u '+%H:%M UTC')" "SET='${sets% }', ENGINES='${engines% }', $rounds rounds, commit $(git -C "$top_srcdir" \
		describe --always --dirty 2>/dev/null), load $(cut -d' ' -f1-3 /proc/loadavg)" >>"$facts"
}

report() {
	bash "$here/figures/engine_tables.sh"
	bash "$here/figures/goals.sh" engine
}

if plan_lines | awk '{ print $2 }' | grep -qE 'sync|diskrate'; then refuse_memory_disk "$base"; fi
[ -n "$(plan_lines)" ] || die "nothing to do: WORKLOADS leaves out all of SET"
if [ -z "${APPEND:-}" ] || [ ! -s "$csv" ]; then
	awk -v head=1 -f "$here/figures/engine_csv.awk" >"$csv"
	: >"$results/engine.raw"
	describe >"$facts"
else
	describe_again
fi
show_facts "$facts"
for ((round = 1; round <= rounds; round++)); do
	while read -r -u 3 _ workload threads count value_size compression who options; do
		[ "$who" != all ] || who=$engines
		# shellcheck disable=SC2086
		for engine in $(rotated "$round" $who); do
			case " $engines none " in *" $engine "*) ;; *) continue ;; esac
			# shellcheck disable=SC2086
			run_one "$engine" "$workload" "$threads" "$count" "$value_size" "$compression" $options
		done
	done 3< <(plan_lines)
done
report | tee "$results/engine.txt"
bash "$here/plot_engine.sh"
exit $failed
