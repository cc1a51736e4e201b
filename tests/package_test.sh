#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The package under a real systemd, as root in a machine that may be thrown away; $DEB names the package:
# install, use, reload, rotate, kill -9, restart, stop by curl, remove, purge.
set -euo pipefail
url=http://localhost:8080
log=/var/log/kvstored/kvstored.log
pidfile=/run/kvstored/kvstored.pid
trap 'echo "FAILED at line $LINENO"; systemctl status kvstored --no-pager -l | head -20; journalctl -u kvstored --no-pager | tail -30; tail -20 $log' ERR

is() { [ "$2" = "$1" ] || { echo "expected '$1', got '$2'"; false; }; }
request() { curl -s --max-time 10 --retry 30 --retry-connrefused --retry-delay 1 "$@"; }
refused() { ! "$@" || { echo "was to fail: $*"; false; }; }
main_pid() { systemctl show -p MainPID --value kvstored; }
soon() { # COMMAND...: true within 10 s
	for _ in $(seq 100); do
		"$@" && return 0
		sleep 0.1
	done
	echo "not within 10 s: $*"
	return 1
}

echo '== install'
apt-get install -y "$DEB" >/tmp/install.log 2>&1 || { tail /tmp/install.log; false; }
is active "$(systemctl is-active kvstored)"
is enabled "$(systemctl is-enabled kvstored)"
systemd-analyze verify --man=no kvstored.service
is "$(main_pid)" "$(cat $pidfile)"
is kvstored "$(ps -o user= -p "$(main_pid)")"
is 'kvstored 700' "$(stat -c '%U %a' /var/lib/kvstored)"
is 'root root 755' "$(stat -c '%U %G %a' /var/log/kvstored)"
is 'kvstored adm 640' "$(stat -c '%U %G %a' $log)"
systemd-analyze security kvstored --no-pager | tail -1
refused sh -c 'journalctl -u kvstored -o cat --no-pager | grep -i "refus\|permitted\|warning\|fail"'

echo '== use'
is OK "$(request -X POST "$url/set?key=key1&value=value1")"
is OK "$(request -X POST "$url/set?key=hi&value=val%20smile")"
is value1 "$(request -X GET "$url/get?key=key1")"
is 'val smile' "$(request --unix-socket /run/kvstored/kvstored.sock "$url/get?key=hi")"
is OK "$(request -X DELETE "$url/del?key=key1")"
is 404 "$(request -o /dev/null -w '%{http_code}' "$url/get?key=key1")"
head -c 3000000 /dev/urandom >/tmp/blob
request -f -T /tmp/blob "$url/v1/kv/blob" >/dev/null
request "$url/v1/kv/blob" | cmp - /tmp/blob
is 'kvstored 600' "$(find /var/lib/kvstored -name '*.wal' -printf '%u %m\n' | sort -u)"

echo '== reload: the same process, another log level'
before=$(main_pid)
sed -i 's/^#log_level = .*/log_level = "debug"/' /etc/kvstored/kvstored.conf
systemctl reload kvstored
soon grep -q reload $log
is "$before" "$(main_pid)"
is healthy "$(systemctl show -p StatusText --value kvstored)"
echo 'no_such_option = 1' >>/etc/kvstored/kvstored.conf
systemctl reload kvstored
soon grep -q no_such_option $log
is 'val smile' "$(request "$url/get?key=hi")"
sed -i '/no_such_option/d' /etc/kvstored/kvstored.conf

echo '== rotate'
logrotate -f /etc/logrotate.d/kvstored
is 'kvstored adm 640' "$(stat -c '%U %G %a' $log)"
[ -e $log.1 ]
soon test -s $log
is "$before" "$(main_pid)"
is "$(stat -c %i $log)" "$(stat -L -c %i /proc/"$before"/fd/* 2>/dev/null | grep -x "$(stat -c %i $log)" | head -1)"

echo '== a log file that somebody removed is made anew by the next start'
rm $log
systemctl restart kvstored
is 'kvstored adm 640' "$(stat -c '%U %G %a' $log)"
soon test -s $log
before=$(main_pid)

echo '== kill -9: started again, nothing lost'
systemctl kill --signal=KILL kvstored
is 'val smile' "$(request "$url/get?key=hi")"
request "$url/v1/kv/blob" | cmp - /tmp/blob
soon systemctl -q is-active kvstored
is 1 "$(systemctl show -p NRestarts --value kvstored)"
[ "$before" != "$(main_pid)" ]

echo '== users on the Unix socket: root is known, the others are nobody inside of the unit'
again() { # (systemd counts starts: only so many in ten seconds)
	systemctl reset-failed kvstored
	systemctl restart kvstored
}
by() { # USER METHOD PATH: the status that a member of the group kvstored gets
	setpriv --reuid="$1" --regid=kvstored --clear-groups curl -s -o /dev/null -w '%{http_code}' --max-time 10 -d '' -X "$2" \
		--unix-socket /run/kvstored/kvstored.sock "http://localhost$3"
}
echo 'socket_admins = {"daemon"}' >>/etc/kvstored/kvstored.conf
again
is 200 "$(by root POST /v1/admin/flush)"
is 200 "$(by kvstored POST /v1/admin/flush)"
is 200 "$(by nobody POST '/set?key=by&value=nobody')"
for user in nobody daemon; do
	is 403 "$(by $user POST /v1/admin/flush)"
	is 403 "$(by $user GET /shutdown)"
done
sed -i '/^socket_admins/d' /etc/kvstored/kvstored.conf

echo '== tokens'
reader=$(kvctl token add reader --role=read 2>/dev/null)
is 'root kvstored 640' "$(stat -c '%U %G %a' /etc/kvstored/tokens)"
echo 'tokens_file = "/etc/kvstored/tokens"' >>/etc/kvstored/kvstored.conf
again
is 401 "$(request -o /dev/null -w '%{http_code}' "$url/get?key=hi")"
is 'val smile' "$(request -H "Authorization: Bearer $reader" "$url/get?key=hi")"
is 403 "$(request -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $reader" "$url/shutdown")"
sed -i '/^tokens_file/d' /etc/kvstored/kvstored.conf
again

echo '== a wrong configuration is not started over and over'
echo 'port = 99999999' >>/etc/kvstored/kvstored.conf
refused systemctl restart kvstored 2>/dev/null
is failed "$(systemctl is-failed kvstored)"
systemctl show -p ExecStart --value kvstored | grep -q 'status=78'
journalctl -u kvstored -o cat --no-pager | grep -q 'kvstored.conf:[0-9]*: port must be'
sed -i '/^port = 99999999/d' /etc/kvstored/kvstored.conf
systemctl reset-failed kvstored
systemctl start kvstored

echo '== nor one that is not there: no start with the defaults'
mv /etc/kvstored/kvstored.conf /etc/kvstored/kvstored.conf.away
refused systemctl restart kvstored 2>/dev/null
systemctl show -p ExecStart --value kvstored | grep -q 'status=78'
mv /etc/kvstored/kvstored.conf.away /etc/kvstored/kvstored.conf
systemctl reset-failed kvstored
systemctl start kvstored

echo '== stop by curl: the end is regular, systemd does not start it again'
request "$url/shutdown" | tail -1 | grep 'kvstored stopped'
soon sh -c '! systemctl -q is-active kvstored'
is inactive "$(systemctl is-active kvstored || true)"
[ ! -e $pidfile ]
systemctl start kvstored
is 'val smile' "$(request "$url/get?key=hi")"

echo '== remove keeps the data, install again finds it'
apt-get remove -y kvstored >/dev/null 2>&1
is 000 "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz" || true)"
[ -d /var/lib/kvstored ]
apt-get install -y "$DEB" >/dev/null 2>&1
is 'val smile' "$(request "$url/get?key=hi")"

echo '== remove stops the socket, too, when the administrator has it'
systemctl stop kvstored
systemctl reset-failed kvstored
systemctl enable --now kvstored.socket 2>/dev/null
is 'val smile' "$(request "$url/get?key=hi")"
apt-get remove -y kvstored >/dev/null 2>&1
is 000 "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz" || true)"
refused systemctl -q is-active kvstored.socket
apt-get install -y "$DEB" >/dev/null 2>&1
systemctl disable kvstored.socket 2>/dev/null

echo '== purge'
apt-get purge -y kvstored >/tmp/purge.log 2>&1
for path in /var/lib/kvstored /var/log/kvstored /run/kvstored /etc/kvstored /etc/logrotate.d/kvstored \
	/usr/sbin/kvstored /lib/systemd/system/kvstored.service; do
	[ ! -e $path ] || { echo "$path is left"; false; }
done
getent passwd kvstored >/dev/null # the user stays: files in other places may be its own
refused grep -i 'warning\|not empty' /tmp/purge.log

echo '== purge where the data directory is a mount point: it is emptied and stays'
mkdir /var/lib/kvstored
mount -t tmpfs tmpfs /var/lib/kvstored
apt-get install -y "$DEB" >/dev/null 2>&1
is OK "$(request -X POST "$url/set?key=key1&value=value1")"
apt-get purge -y kvstored >/tmp/purge.log 2>&1
is '' "$(ls -A /var/lib/kvstored)"
umount /var/lib/kvstored
rmdir /var/lib/kvstored
[ ! -e /var/log/kvstored ]
echo 'all as promised'
