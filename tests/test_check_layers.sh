#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# check_layers.sh must pass a clean tree and fail on each kind of violation, naming the file.
set -u
check=$(realpath "${top_srcdir:-$(dirname "$0")/..}")/tests/check_layers.sh
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failures=0
count=0

fresh() { # a small tree that keeps the rules
	rm -rf "$work/tree"
	mkdir -p "$work"/tree/{src/{base,engine,store,http,daemon},tests}
	cd "$work/tree" || exit 99
	printf '#include "base/file.h"\nint file_open(void)\n{\n\treturn open("x", 0);\n}\n' >src/base/file.c
	printf '/* file.c may open() and fsync() */\n#include "engine/art.h"\n#include "base/file.h"\n' >src/engine/wal.c
	printf '/* a longer comment that speaks of\n * rename() and fsync(fd)\n */\nint wal_fsync(int fd); // fsync(1)\n' >src/engine/wal.h
	printf 'const char *text = "cannot fsync(\\"x\\") open(";\nvoid f(struct ops *ops)\n{\n\tops->open(1);\n}\n' >src/engine/text.c
	printf '#include "engine/engine.h"\n' >src/store/store.c
	printf '#include <microhttpd.h>\n#include "store/store.h"\n' >src/http/server.c
	printf '#include "config.h"\n#include "http/server.h"\n' >src/daemon/main.c
}

expect() { # STATUS WHAT NAMED-FILE
	count=$((count + 1))
	out=$(bash "$check" "$work/tree" 2>&1)
	status=$?
	if [ $status -ne "$1" ] || ! grep -qF -- "$3" <<<"$out"; then
		echo "FAILED: $2: status $status, expected $1 and '$3' in:"
		printf '%s\n' "$out"
		failures=$((failures + 1))
	fi
}

seeded() { # WHAT FILE LINE: one added line must be found
	fresh
	printf '%b\n' "$3" >>"$2"
	expect 1 "$1" "$2"
}

fresh
expect 0 'a clean tree passes' 'files keep the rules'
seeded 'base includes engine' src/base/file.c '#include "engine/wal.h"'
seeded 'engine includes store' src/engine/wal.c '#include "store/store.h"'
seeded 'store goes past the public header' src/store/store.c '#include "engine/wal.h"'
seeded 'http includes engine' src/http/server.c '#include "engine/engine.h"'
seeded 'http goes past store.h' src/http/server.c '#include "store/table.h"'
seeded 'daemon goes past server.h' src/daemon/main.c '#  include "http/route.h"'
seeded 'an include by a path' src/engine/wal.c '#include "../store/store.h"'
seeded 'an include without its layer' src/engine/wal.c '#include "art.h"'
seeded 'angle brackets hide nothing' src/base/file.c '#include <http/server.h>'
seeded 'a library in the wrong layer' src/engine/wal.c '#include <microhttpd.h>'
for call in open openat fopen pread pwrite fdatasync fsync rename unlink fallocate ftruncate; do
	seeded "$call outside file.c" src/engine/wal.c "int g(void)\n{\n\treturn $call (1);\n}"
done
seeded 'a call after a comment' src/engine/wal.c '/* safe */ int x = fsync(3); /* really */'
seeded 'a call after a string' src/engine/wal.c 'int y = f("/*") + fsync(3);'
fresh
printf 'int x;\n' >src/base/log.c
expect 1 'an exception that nothing needs' src/base/log.c
fresh
mkdir src/misc
printf 'int x;\n' >src/misc/a.c
expect 1 'an unknown layer' src/misc/a.c
seeded 'a file above 600 lines' src/engine/wal.c "$(printf '\\n%.0s' {1..600})"
seeded 'a function above 80 lines' src/engine/wal.c "void h(void)\n{\n$(printf '\\tx();\\n%.0s' {1..81})}"
seeded 'an unfinished mark' src/engine/wal.c '/* TO''DO: more */'

echo "$count checks, $failures failed"
[ $failures = 0 ]
