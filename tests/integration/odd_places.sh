#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A symbolic link, a FIFO or a directory where a file of ours should be (data_dir, LOCK, WAL, log): refused with the path,
# and what the link points to is not touched.
. "${top_srcdir:?}/tests/integration/lib.sh"

mkdir "$DIR/outside"
echo precious >"$DIR/outside/file"
untouched() {
	expect_equal "$(cd "$DIR/outside" && grep -r . .)" "./file:precious" "what lies outside"
}
# refused PATH CODES: the start ends with one of the codes and names the path.
refused() {
	run "$KVSTORED" -f -c "$CONF"
	case " $2 " in *" $CODE "*) ;; *) fail "exit $CODE, not $2, for $(stat -c %F "$1") $1: $ERR" ;; esac
	grep -qF -- "$(basename "$1")" "$DIR/run.err" || fail "$1 is not named: $ERR"
	untouched
	wait_gone
}

# data_dir
ln -s "$DIR/outside" "$DATA"
refused "$DATA" "75 77"
rm "$DATA"
mkfifo "$DATA"
refused "$DATA" "75 77"
rm "$DATA"
echo text >"$DATA"
refused "$DATA" "75 77"
rm "$DATA"

start_foreground
expect_http 200 POST "/set?key=wanted&value=1"
kill_daemon # so that the WAL stays

# odd FILE CODES: each kind of thing in the place of the file.
odd() {
	mv "$1" "$DIR/kept"
	ln -s "$DIR/outside/file" "$1"
	refused "$1" "$2"
	rm "$1"
	ln -s "$DIR/outside/new" "$1"
	refused "$1" "$2"
	rm "$1"
	mkfifo "$1"
	refused "$1" "$2"
	rm "$1"
	mkdir "$1"
	refused "$1" "$2"
	rmdir "$1"
	mv "$DIR/kept" "$1"
}
wal=$(grep -lF wanted "$DATA"/*.wal) # not one that lies ready for later
odd "$DATA/LOCK" "75 77"
odd "$wal" "65 75 77"
odd "$DATA/MANIFEST" "65 75 77"
odd "$LOG" "75 77"

# Put back, everything is there.
start_foreground
expect_http 200 GET "/get?key=wanted"
expect_body 1
stop_daemon
