#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The documents tell the truth: man pages without a warning; every option of the daemon in kvstored.conf(5) and in the
# shipped kvstored.conf, and no other; the shipped file is valid, and the defaults that it shows are those in effect; the patches of the mutants apply.
set -u
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
top_srcdir=${top_srcdir:?}
conf=$top_srcdir/kvstored.conf
failed=0
bad() {
	printf 'FAILED: %s\n' "$*"
	failed=1
}

for page in "$top_srcdir"/doc/*.[158]; do
	if command -v mandoc >/dev/null; then
		out=$(mandoc -Tlint -W warning "$page") || bad "$out"
	fi
	if command -v man >/dev/null && command -v groff >/dev/null; then
		out=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
		[ -z "$out" ] || bad "$out"
	fi
done

# NAME VALUE lines of the configuration in effect
in_effect() {
	"$KVSTORED" -t -c "$1" >"$work/out" 2>"$work/err" || bad "kvstored -t -c $1: status $?: $(cat "$work/err")"
	sed -nE 's/^([a-z_]+) = (.*)$/\1 \2/p' "$work/out" | sort
}

# the package makes the user
sed 's/^user = "kvstored"/user = ""/' "$conf" >"$work/shipped.conf"
in_effect "$work/shipped.conf" >"$work/shipped"
sed -E 's/^#([a-z_]+ = )/\1/' "$work/shipped.conf" >"$work/all.conf"
in_effect "$work/all.conf" >"$work/all"
out=$(diff "$work/shipped" "$work/all") || bad "kvstored.conf shows defaults that are not in effect (>):"$'\n'"$out"

names() { sort | uniq; }
cut -d' ' -f1 "$work/shipped" | names >"$work/options"
[ "$(wc -l <"$work/options")" -ge 15 ] || bad "kvstored -t prints too few options: $(paste -sd' ' "$work/options")"
sed -nE 's/^#?([a-z_]+) = .*/\1/p' "$conf" | names >"$work/in_conf"
sed -nE 's/^\.It Ic ([a-z_]+) No =.*/\1/p' "$top_srcdir/doc/kvstored.conf.5" | names >"$work/in_page"
out=$(diff "$work/options" "$work/in_conf") || bad "options (<) and kvstored.conf (>) differ:"$'\n'"$out"
out=$(diff "$work/options" "$work/in_page") || bad "options (<) and kvstored.conf(5) (>) differ:"$'\n'"$out"

# every long option of --help is in kvstored(8)
for option in $("$KVSTORED" --help | grep -oE -- '--[a-z-]+' | sort -u); do
	grep -qE "Fl -${option#--}\$|Fl -${option#--} " "$top_srcdir/doc/kvstored.8" || bad "kvstored(8) does not tell $option"
done

# and every one of kvfsck in kvfsck(8)
for option in $("$KVFSCK" --help | grep -oE -- '--[a-z-]+' | sort -u); do
	grep -qE "Fl -${option#--}\$|Fl -${option#--} " "$top_srcdir/doc/kvfsck.8" || bad "kvfsck(8) does not tell $option"
done

# what each patch of doc/mutants.md changes is still there: without `patch` it is `make check-mutants` that tells
if command -v patch >/dev/null; then
	count=0
	for patch in "$top_srcdir"/tests/mutants/*.patch; do
		patch -d "$top_srcdir" -p1 --dry-run -s <"$patch" >"$work/out" 2>&1 || bad "$patch does not apply: $(cat "$work/out")"
		count=$((count + 1))
	done
	[ "$count" -ge 10 ] || bad "there are $count mutants"
fi

version=$("$KVSTORED" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
grep -q "^kvstored $version " "$top_srcdir/NEWS" || bad "NEWS does not tell of version $version"
head -n 1 "$top_srcdir/debian/changelog" | grep -qF "kvstored ($version" || bad "debian/changelog is not of version $version"

[ $failed = 0 ] && echo "$(wc -l <"$work/options") options told truly"
exit $failed
