# SPDX-License-Identifier: BSD-2-Clause
# bench_lib.sh: what bench_http.sh and bench_engine.sh share; sourced by them. What a run leaves behind lies in $results:
# NAME.csv (every measurement), NAME.facts (lines "name<TAB>value": machine, versions, options) and NAME.txt (tables, goals).
LC_ALL=C
export LC_ALL
me=$(basename "$0" .sh)
here=${top_srcdir:?}/tests/bench
built=${top_builddir:?}/tests/bench
results=${RESULTS:-$top_builddir/bench-results}
mkdir -p "$results" || exit 1

die() {
	echo "$me: $*" >&2
	exit 1
}

# fact NAME VALUE: for NAME.facts
fact() {
	printf '%s\t%s\n' "$1" "$2"
}

# refuse_memory_disk DIR: nothing is durable on a tmpfs, and a synced write there costs nothing.
refuse_memory_disk() {
	case $(df --output=fstype "$1" | tail -n 1) in
	tmpfs | ramfs) die "$1 lies in memory (tmpfs): synced writes need a real disk; say DIR=/somewhere/else" ;;
	esac
}

# describe_machine DIR: the facts that every run has; data lie in DIR.
describe_machine() {
	fact date "$(date -u '+%Y-%m-%d %H:%M UTC')"
	fact commit "$(git -C "$top_srcdir" describe --always --dirty 2>/dev/null || echo unknown)"
	fact processors "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	fact memory "$(awk '$1 == "MemTotal:" { printf("%.1f GiB", $2 / 1048576) }' /proc/meminfo)"
	fact disk "$(df --output=fstype,size -B 1G "$1" | awk 'END { print $1 ", " $2 " GiB" }')"
	fact kernel "$(uname -s) $(uname -r | sed 's/[^0-9.].*//'), $(uname -m)"
	fact compiler "$(sed -n 's/^CC = //p' "$top_builddir/Makefile" | head -n 1), $(sed -n 's/^CFLAGS = //p' "$top_builddir/Makefile" |
		head -n 1)"
	fact load "$(cut -d' ' -f1-3 /proc/loadavg) when it began"
}

# package_facts PACKAGE...: the versions of those that are installed
package_facts() {
	dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Version}\n' "$@" 2>/dev/null |
		awk -F '\t' '$1 == "installed" { print $2 "\t" $3 }'
}

# show_facts FILE
show_facts() {
	awk -F '\t' '{ printf("%-24s %s\n", $1, $2) }' "$1"
}
