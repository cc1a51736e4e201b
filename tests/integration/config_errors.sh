#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The command line and the configuration: refusals with file, line and what was expected; -t; --help; --version.
. "${top_srcdir:?}/tests/integration/lib.sh"

# refused LINE PATTERN TEXT: the file TEXT is refused for its line LINE.
refused() {
	printf '%b' "$3" >"$CONF"
	for mode in -t -f ''; do
		expect_run 78 "^kvstored: $CONF:$1: $2" "$KVSTORED" $mode -c "$CONF"
		expect_equal "$OUT" "" "stdout after an error"
	done
}
refused 1 "no such option 'prot'" 'prot = 8080\n'
refused 3 "port must be a number from 0 to 65535 \(it is '70000'\)" '# a\n\nport = 70000\n'
refused 2 "port must be a number" 'user = ""\nport = {1, 2}\n'
refused 1 "memtable_size must be a size from 16K to 16G" 'memtable_size = big\n'
refused 1 'durability must be one of "commit", "os"' 'durability = never\n'
refused 1 "data_dir must be an absolute path" 'data_dir = data\n'
refused 2 "backup_dir is the data_dir" 'data_dir = /srv/kv\nbackup_dir = /srv/kv/\n'
mkdir "$DIR/there"
refused 2 "backup_dir is the data_dir" "data_dir = $DIR/there\\nbackup_dir = $DIR//there/.\\n"
refused 1 "listen must be a list of IP addresses" 'listen = {"example.org"}\n'
refused 2 "listen address '0.0.0.0' is not a loopback address.*insecure_listen" '# open to all\nlisten = {"0.0.0.0"}\n'
refused 1 "insecure_listen must be true or false" 'insecure_listen = 2\n'

expect_run 78 "configuration file '$DIR/none' does not exist" "$KVSTORED" -f -c "$DIR/none"
mkfifo "$DIR/fifo"
expect_run 78 "'$DIR/fifo' is not a regular file" "$KVSTORED" -t -c "$DIR/fifo"
expect_no_file "$DATA"

# Usage.
expect_run 64 "unknown option '-x'" "$KVSTORED" -x
expect_run 64 "unknown option '--nonsense'" "$KVSTORED" --nonsense
expect_run 64 "option --config needs an argument" "$KVSTORED" -c
expect_run 64 "unexpected argument 'start'" "$KVSTORED" -f start
expect_run 0 '^kvstored [0-9]+\.[0-9]+' "$KVSTORED" --version
expect_run 0 '^kvstored [0-9]+\.[0-9]+' "$KVSTORED" -V
expect_run 0 '--check-config' "$KVSTORED" --help
expect_run 0 '--check-config' "$KVSTORED" -h

# What -t prints is a configuration with the same meaning. -t makes nothing.
write_config 'flush_interval = 7' 'memtable_size = 1M' 'allowed_hosts = {"db.example"}' \
	'listen = {"::1", "'"$SOCKET"'"}' "logfile = '$DIR/a \"quoted\" \$HOME log'"
expect_run 0 '^flush_interval = 7$' "$KVSTORED" -t -c "$CONF"
expect_equal "$ERR" "" "stderr of -t"
printf '%s\n' "$OUT" >"$DIR/printed"
grep -qx 'memtable_size = "1M"' "$DIR/printed" || fail "the size is not printed as such"
run "$KVSTORED" -t -c "$DIR/printed"
printf '%s\n' "$OUT" | cmp - "$DIR/printed" || fail "-t of what -t printed differs"
expect_no_file "$DATA"
expect_no_file "$SOCKET"
expect_no_file "$LOG"

# -t looks at what the file names, too: what it passes, a start takes.
cannot_start() { # PATTERN LINE...
	local pattern=$1 mode
	shift
	write_config "$@"
	for mode in -t -f; do
		expect_run 78 "$pattern" "$KVSTORED" $mode -c "$CONF"
		expect_equal "$OUT" "" "stdout after an error"
	done
}
cannot_start "tokens.*$DIR/none" "tokens_file = $DIR/none"
printf 'nonsense\n' >"$DIR/tokens"
chmod 600 "$DIR/tokens"
cannot_start "$DIR/tokens:1: " "tokens_file = $DIR/tokens"
cannot_start "nobody-of-this-name" 'socket_admins = {"nobody-of-this-name"}'
if [ "$(id -u)" = 0 ]; then
	cannot_start "user 'nobody-of-this-name' does not exist" 'user = "nobody-of-this-name"'
fi
printf 'no certificate\n' >"$DIR/pem"
chmod 600 "$DIR/pem"
cannot_start "$DIR/pem" 'tls_listen = {"127.0.0.1"}' 'tls_port = 0' "tls_certificate = $DIR/pem" "tls_key = $DIR/pem"
