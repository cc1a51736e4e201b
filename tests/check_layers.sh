#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# check_layers.sh [DIR]: the rules of the tree that a compiler does not see, by grep.
#   1. A call only goes down: which headers the files of a layer may include.
#   2. Only base/file.c makes the system calls that a test must be able to fail, cut or delay.
#   3. No source file above 600 lines, no function above 80, nothing marked as unfinished.
# Prints every violation; exit status 1 when there is one. tests/test_check_layers.sh shows that it finds each kind.
set -u
cd "${1:-${top_srcdir:-$(dirname "$0")/..}}" || exit 1
LC_ALL=C
failed=0
bad() {
	printf '%s\n' "$*"
	failed=1
}

# What a file of each layer may include of ours (after "config.h"), and where a library's header may appear.
declare -A may=(
	[base]='base/.*'
	[engine]='base/.*|engine/.*'
	[store]='base/.*|store/.*|engine/engine\.h'
	[http]='base/.*|http/.*|store/store\.h'
	[daemon]='base/.*|daemon/.*|http/server\.h|store/store\.h'
	[tools]='base/.*|tools/.*|store/store\.h'
)
libraries='microhttpd\.h:src/http/ confuse\.h:src/daemon/ systemd/:src/daemon/ jansson\.h:src/http/ xxhash\.h:src/base/ urcu:src/base/'

# The calls of base/file.c, and the places that may make one all the same.
calls='open|openat|creat|fopen|pread|pwrite|preadv2?|pwritev2?|fdatasync|fsync|syncfs|rename|renameat2?|unlink|unlinkat'
calls+='|remove|link|linkat|symlink|fallocate|posix_fallocate|ftruncate|truncate|mkdir|mkdirat|rmdir|opendir|fdopendir'
declare -A except=(
	[src/base/file.c]='.*'               # the place itself
	[src/base/log.c]='open'              # the log is not data: O_APPEND, reopened by SIGHUP
	[src/daemon/config_file.c]='open'    # not data, and it may be a symbolic link
	[src/http/listen.c]='unlink'         # Unix sockets
	[src/daemon/daemonize.c]='open'      # /dev/null for the standard streams
)

# Sources with comments and the insides of strings blanked, line for line.
code() {
	awk '{
		out = ""
		while (length($0) > 0) {
			if (in_comment) {
				end = index($0, "*/")
				if (end == 0) break
				$0 = substr($0, end + 2)
				in_comment = 0
			} else if (match($0, /^"(\\.|[^"\\])*"/) || match($0, /^\047(\\.|[^\047\\])*\047/)) {
				out = out "\"\""
				$0 = substr($0, RLENGTH + 1)
			} else if (substr($0, 1, 2) == "/*") {
				in_comment = 1
				$0 = substr($0, 3)
			} else if (substr($0, 1, 2) == "//") {
				break
			} else {
				out = out substr($0, 1, 1)
				$0 = substr($0, 2)
			}
		}
		print out
	}' "$1"
}

files=$(find src -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "no sources in $PWD/src"; exit 1; }

for file in $files; do
	layer=${file#src/}
	layer=${layer%%/*}
	[ -n "${may[$layer]:-}" ] || { bad "$file: there is no layer '$layer'"; continue; }

	while IFS=: read -r line header; do
		case $header in
		config.h) continue ;;
		../* | */../*) bad "$file:$line: include of '$header': name the layer, not the way" ;;
		*/*) [[ $header =~ ^(${may[$layer]})$ ]] || bad "$file:$line: $layer may not include '$header'" ;;
		*) bad "$file:$line: include of '$header': write it as \"$layer/$header\"" ;;
		esac
	done < <(sed -nE '/^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<(base|engine|store|http|daemon|tools)\/)/{=;s/.*["<]([^">]*)[">].*/\1/p;}' "$file" |
		paste -d: - -)

	for pair in $libraries; do
		case $file in "${pair#*:}"*) continue ;; esac
		grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<${pair%%:*}" "$file" |
			{ ! grep . ; } || bad "$file: only ${pair#*:} may include <${pair%%:*}>"
	done

	found=$(code "$file" | grep -nE "(^|[^A-Za-z0-9_.>])($calls)[[:space:]]*\(" | grep -vE '^[0-9]+:[[:space:]]*#[[:space:]]*define')
	if [ -n "${except[$file]:-}" ]; then
		[ -n "$found" ] || bad "$file: has an exception in check_layers.sh and needs none"
		found=$(grep -vE "(^|[^A-Za-z0-9_.>])(${except[$file]})[[:space:]]*\(" <<<"$found")
	fi
	[ -z "$found" ] || bad "$file: a call that belongs into base/file.c:"$'\n'"$found"

	[ "$(wc -l <"$file")" -le 600 ] || bad "$file: above 600 lines"
	long=$(awk '/^\{/ { start = NR } /^\}/ && start { if (NR - start - 1 > 80) print start; start = 0 }' "$file")
	[ -z "$long" ] || bad "$file:$long: a function above 80 lines"
done

# (the words are written apart so that this file passes its own rule)
unfinished='TO''DO|FIX''ME|XX''X\b'
marks=$(grep -rnIE "\b($unfinished)" src tests debian doc --include='*.[ch]' --include='*.sh' --include='*.mk' --include='*.md' 2>/dev/null)
[ -z "$marks" ] || bad "marked as unfinished:"$'\n'"$marks"

[ $failed = 0 ] && echo "$(wc -w <<<"$files") files keep the rules"
exit $failed
