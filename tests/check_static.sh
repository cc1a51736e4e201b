#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# check_static.sh SRCDIR 'COMPILER FLAGS'
# gcc -fanalyzer, clang-tidy and cppcheck over src/. No finding is let through: what is wrong is mended, and what is
# not is suppressed where it stands, with the reason beside it.
set -u
srcdir=$(realpath "$1") flags=$2
here=$(realpath .)
jobs=$(nproc)
failed=0

run() {
	echo "== $1"
	shift
	"$@" || { echo "FAILED: $1"; failed=1; }
}

for tool in gcc clang-tidy cppcheck; do
	command -v $tool >/dev/null || { echo "check-static needs $tool: ./bootstrap --tools installs it"; exit 1; }
done

# Every library and program; not the tests. Without malloc-leak: gcc 12 loses sight of what is handed out by an inner
# pointer (&merge->base); clang's analyzer, ASan and valgrind look for leaks.
analyzer() {
	bash "$srcdir/tests/variant.sh" "$srcdir" analyzer all --enable-werror CC=gcc CFLAGS='-O1 -g -fanalyzer -Wno-analyzer-malloc-leak -DKV_ANALYZE'
}

tidy() {
	# the flags are relative to the build directory, the sources to the source directory
	find "$srcdir/src" -name '*.c' -print0 | sort -z |
		xargs -0 -n 4 -P "$jobs" sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- '"${flags//\'/\'\\\'\'}" sh 2>&1 |
		grep -v ' warnings\? generated\.$\|^Suppressed \|^Use -header-filter'
	return "${PIPESTATUS[1]}"
}

check_cpp() { # readdir: glibc's is safe on a stream of one's own, and readdir_r is deprecated
	cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=readdirCalled --error-exitcode=1 --library=posix,gnu -D__GNUC__ -I "$srcdir/src" -I "$here" \
		-DHAVE_LZ4 -DHAVE_ZSTD -DHAVE_SYSTEMD "$srcdir/src"
}

run 'gcc -fanalyzer' analyzer
run 'clang-tidy' tidy
run 'cppcheck' check_cpp
exit $failed
