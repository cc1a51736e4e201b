#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# check_package.sh DEB: what the package contains, where, and with which rights.
set -u
deb=$1
list=$(dpkg-deb -c "$deb") || exit 1
failed=0

has() { # MODE PATH
	grep -qE "^$1 root/root .* \./$2\$" <<<"$list" || {
		echo "FAILED: no $1 $2"
		failed=1
	}
}
has -rwxr-xr-x usr/sbin/kvstored
has -rwxr-xr-x usr/sbin/kvfsck
has -rwxr-xr-x usr/bin/kvctl
has -rw-r--r-- usr/share/man/man1/kvctl.1.gz
has -rw-r--r-- etc/kvstored/kvstored.conf
has -rw-r--r-- etc/logrotate.d/kvstored
has -rw-r--r-- '(usr/)?lib/systemd/system/kvstored.service'
has -rw-r--r-- '(usr/)?lib/systemd/system/kvstored.socket'
has -rw-r--r-- usr/lib/sysusers.d/kvstored.conf
has -rw-r--r-- usr/lib/tmpfiles.d/kvstored.conf
has -rw-r--r-- usr/share/man/man8/kvstored.8.gz
has -rw-r--r-- usr/share/man/man8/kvfsck.8.gz
has -rw-r--r-- usr/share/man/man5/kvstored.conf.5.gz
has -rw-r--r-- usr/share/doc/kvstored/README
for document in http-api format design benchmarks reliability mutants HACKING; do # where README says that they are
	has -rw-r--r-- "usr/share/doc/kvstored/doc/$document.md"
done
for plot in engine engine-latency engine-scale http http-connections; do # that README and benchmarks.md show
	has -rw-r--r-- "usr/share/doc/kvstored/doc/bench-$plot.svg"
done

conffiles=$(dpkg-deb -I "$deb" conffiles | sort | paste -sd' ')
[ "$conffiles" = '/etc/kvstored/kvstored.conf /etc/logrotate.d/kvstored' ] ||
	{ echo "FAILED: conffiles: $conffiles"; failed=1; }

other=$(awk '{ print $6 }' <<<"$list" | grep -v '/$' |
	grep -vE '^\./(usr/sbin/kv|usr/bin/kv|etc/|lib/systemd/|usr/lib/(systemd|sysusers\.d|tmpfiles\.d)/|usr/share/(man|doc)/)')
[ -z "$other" ] || { echo "FAILED: what is this doing in the package: $other"; failed=1; }
exit $failed
