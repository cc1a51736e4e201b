#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# check_layers.sh [DIR]: the rules of the tree that a compiler does not see, by grep.
#   1. A call only goes down: which headers the files of a layer may include.
#   2. Only base/file.c makes the system calls that a test must be able to fail, cut or delay.
#   3. No source file above 600 lines, no function above 80, nothing marked as unfinished.
# Prints every violation; exit status 1 when there is one. tests/test_check_layers.sh shows that it finds each kind.
set -u
cd "${1:-${top_srcdir:-$(dirname "$0")/..}}" || exit 1
export LC_ALL=C

files=$(find src -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "no sources in $PWD/src"; exit 1; }

# shellcheck disable=SC2086 # a list of paths without blanks
violations=$(awk '
BEGIN {
	# What a file of each layer may include of ours (beside config.h).
	may["base"] = "base/.*"
	may["engine"] = "base/.*|engine/.*"
	may["store"] = "base/.*|store/.*|engine/engine[.]h"
	may["http"] = "base/.*|http/.*|store/store[.]h"
	may["daemon"] = "base/.*|daemon/.*|http/server[.]h|store/store[.]h"
	may["tools"] = "base/.*|tools/.*|store/store[.]h|store/fsck[.]h|http/token[.]h"

	# Where the headers of a library may appear.
	home["microhttpd.h"] = "src/http/"
	home["confuse.h"] = "src/daemon/"
	home["systemd/sd-daemon.h"] = "src/daemon/"
	home["jansson.h"] = "src/http/"
	home["gnutls/gnutls.h"] = "src/http/"
	home["gnutls/crypto.h"] = "src/http/"
	home["gnutls/abstract.h"] = "src/http/"
	home["xxhash.h"] = "src/base/"
	home["urcu-bp.h"] = "src/base/"

	# The calls of base/file.c, and the places that may make one all the same.
	calls = "open|openat|creat|fopen|pread|pwrite|preadv2?|pwritev2?|fdatasync|fsync|syncfs|rename|renameat2?|unlink|unlinkat"
	calls = calls "|remove|link|linkat|symlink|fallocate|posix_fallocate|ftruncate|truncate|mkdir|mkdirat|rmdir|opendir|fdopendir|mmap|munmap"
	call = "(^|[^A-Za-z0-9_.>])(" calls ")[ \t]*[(]"
	except["src/base/file.c"] = ".*"          # the place itself
	except["src/base/huge_pages.c"] = "m(un)?map" # memory, and no file
	except["src/base/log.c"] = "open"         # the log is not data: O_APPEND, reopened by SIGHUP
	except["src/daemon/text_file.c"] = "open" # not data, and it may be a symbolic link
	except["src/daemon/daemonize.c"] = "open" # /dev/null for the standard streams
	except["src/http/listen.c"] = "unlink"    # Unix sockets
}

function bad(text) { print FILENAME ":" FNR ": " text }

# The line with comments and the insides of strings blanked.
function code(line,   out) {
	out = ""
	while (line != "") {
		if (in_comment) {
			if (!match(line, /\*\//)) return out
			line = substr(line, RSTART + 2)
			in_comment = 0
		} else if (!match(line, /["\047]|\/[*\/]/)) {
			return out line
		} else {
			out = out substr(line, 1, RSTART - 1)
			line = substr(line, RSTART)
			if (match(line, /^"(\\.|[^"\\])*"/) || match(line, /^\047(\\.|[^\047\\])*\047/)) {
				out = out "\"\""
				line = substr(line, RLENGTH + 1)
			} else if (substr(line, 1, 2) == "//") {
				return out
			} else if (substr(line, 1, 2) == "/*") {
				in_comment = 1
				line = substr(line, 3)
			} else { # a quote that is not closed
				out = out substr(line, 1, 1)
				line = substr(line, 2)
			}
		}
	}
	return out
}

function check_include(line,   header, quoted) {
	quoted = line ~ /include[ \t]*"/
	sub(/^[^"<]*["<]/, "", line)
	header = line
	sub(/[">].*/, "", header)
	if (header in home && index(FILENAME, home[header]) != 1) bad("only " home[header] " may include <" header ">")
	if (!quoted && header !~ /^(base|engine|store|http|daemon|tools)\//) return
	if (header == "config.h") return
	if (header ~ /(^|\/)\.\.\//) bad("include of \"" header "\": name the layer, not the way")
	else if (header !~ /\//) bad("include of \"" header "\": write it as \"" layer "/" header "\"")
	else if (header !~ ("^(" may[layer] ")$")) bad(layer " may not include \"" header "\"")
}

function check_calls(line,   rest) {
	rest = code(line)
	if (rest ~ /^[ \t]*#[ \t]*define/ || rest !~ call) return
	used[FILENAME] = 1
	if (FILENAME in except && rest ~ ("(^|[^A-Za-z0-9_.>])(" except[FILENAME] ")[ \t]*[(]")) return
	bad("a call that belongs into base/file.c: " line)
}

FNR == 1 {
	in_comment = start = 0
	split(FILENAME, part, "/")
	layer = part[2]
	seen[FILENAME] = 1
	if (!(layer in may)) bad("there is no layer \"" layer "\"")
}
FNR == 601 { bad("a file above 600 lines") }
/^[ \t]*#[ \t]*include/ { check_include($0) }
{ check_calls($0) }
/^\{/ { start = FNR }
/^\}/ {
	if (start && FNR - start - 1 > 80) bad("a function above 80 lines begins at line " start)
	start = 0
}
END {
	for (file in except)
		if (file in seen && !(file in used)) print file ": has an exception in check_layers.sh and needs none"
}' $files)

# (the words are written apart so that this file passes its own rule)
unfinished='TO''DO|FIX''ME|XX''X\b'
marks=$(grep -rnIE "\b($unfinished)" src tests debian doc --include='*.[ch]' --include='*.sh' --include='*.mk' --include='*.md' 2>/dev/null)

if [ -n "$violations$marks" ]; then
	[ -z "$violations" ] || printf '%s\n' "$violations"
	[ -z "$marks" ] || printf 'marked as unfinished: %s\n' "$marks"
	exit 1
fi
echo "$(wc -w <<<"$files") files keep the rules"
