#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh SRCDIR CONFIGURE-ARGUMENT...: puts each fault of SRCDIR/tests/mutants into a copy of the sources, in turn, builds the tests that are to
# notice, and runs them. Without a fault they must pass. MUTANTS="NAME ..." does that for those only.
# Fails when a fault survives, and when a patch no longer applies or builds: then it, and doc/mutants.md, need a look.
set -u
patches=$(realpath "$1")/tests/mutants
shift
MAKE=${MAKE:-make}
source=$PWD/build-mutants/source
build=$source/build # there, so that the compiler sees the same paths as in other builds and ccache knows them
mkdir -p "$build" build-mutants/log
$MAKE -s distdir distdir=build-mutants/fresh || exit 1
(cd build-mutants/fresh && find . -type f) | while read -r file; do
	cmp -s "build-mutants/fresh/$file" "$source/$file" && continue
	mkdir -p "$source/${file%/*}"
	cp -pf "build-mutants/fresh/$file" "$source/$file"
done
chmod -R u+w build-mutants/fresh && rm -rf build-mutants/fresh
logs=$PWD/build-mutants/log
cd "$build" || exit 1
[ -e config.status ] || ../configure --quiet "$@" || exit 1
export top_srcdir=$source top_builddir=$build CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-4}

run_tests() { # LOG TEST...: true when all pass; sets status, that of the first that does not (124: it did not end)
	local log=$1 test
	shift
	for test; do
		timeout -k 5 240 "$test" </dev/null >>"$log" 2>&1
		status=$?
		[ $status = 0 ] || { echo "$test: status $status" >>"$log"; return 1; }
	done
}

tests_of() { # PATCH...
	sed -n 's/^Killed by: //p' "$@" | tr ' ' '\n' | sort -u
}

chosen=()
for patch in "$patches"/*.patch; do
	name=$(basename "$patch" .patch)
	[ -n "${MUTANTS:-}" ] && [[ " $MUTANTS " != *" $name "* ]] || chosen+=("$patch")
done
mapfile -t tests < <(tests_of "${chosen[@]}")
if ! $MAKE -s -j2 "${tests[@]}" >"$logs/none" 2>&1 || ! run_tests "$logs/none" "${tests[@]}"; then
	echo "without a fault, too, the tests fail: see $logs/none"
	exit 1
fi

killed=0 bad=0
for patch in "${chosen[@]}"; do
	name=$(basename "$patch" .patch)
	file=$(sed -n 's|^+++ b/||p' "$patch")
	log=$logs/$name
	mapfile -t tests < <(tests_of "$patch")
	cp -p "$source/$file" "$logs/original"
	if ! patch -d "$source" -p1 --no-backup-if-mismatch <"$patch" >"$log" 2>&1; then
		verdict='does not apply'
	elif ! $MAKE -s -j2 "${tests[@]}" >>"$log" 2>&1; then
		verdict='does not build'
	elif run_tests "$log" "${tests[@]}"; then
		verdict=SURVIVED
	elif [ $status -ge 124 ]; then
		verdict="ended by status $status, not by a test"
	else
		verdict=killed
	fi
	cat "$logs/original" >"$source/$file" # with a new time, for make
	rm -f "$source/$file.rej" "$source/$file.orig"
	printf '%-32s %s\n' "$name" "$verdict"
	if [ "$verdict" = killed ]; then killed=$((killed + 1)); else bad=$((bad + 1)); fi
done
echo "$killed killed, $bad not"
[ $bad = 0 ]
