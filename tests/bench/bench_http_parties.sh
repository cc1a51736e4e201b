# SPDX-License-Identifier: BSD-2-Clause
# bench_http_parties.sh: starts what bench_http.sh measures; sourced by it. start_NAME sets port[NAME] and pids[NAME], and leaves
# both unset, with a line saying so, when it is not installed. All listen on 127.0.0.1 and keep what they store below $base.
declare -A port pids
started=()

free_port() {
	local number
	for number in $(shuf -n 20 -i 20000-32000); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
			echo "$number"
			return
		fi
	done
	die "no free port"
}

# wait_for URL: until it is answered.
wait_for() {
	curl -q -s -o /dev/null --retry 300 --retry-delay 0 --retry-connrefused --retry-max-time 60 -m 60 "$1" ||
		die "no answer from $1"
}

# launch NAME COMMAND...: in the background, its output into $base/NAME.log; adds to pids[NAME].
launch() {
	local name=$1
	shift
	"$@" >"$base/$name.log" 2>&1 &
	started+=($!)
	pids[$name]="${pids[$name]:-} $!"
}

installed() {
	local program
	for program in "${@:2}"; do
		if ! command -v "$program" >/dev/null; then
			echo "left out: $1 ($program is not installed)"
			return 1
		fi
	done
}

start_bare() {
	port[bare]=$(free_port)
	launch bare "$built/bare_mhd" "${port[bare]}"
	wait_for "http://127.0.0.1:${port[bare]}/get?key=k"
}

# start_daemon NAME PROGRAM
start_daemon() {
	port[$1]=$(free_port)
	cat >"$base/$1.conf" <<-END
		listen = {"127.0.0.1"}
		port = ${port[$1]}
		data_dir = "$base/$1"
		logfile = ""
		pidfile = ""
		user = ""
		durability = "commit"
		${KV_SETTINGS:-}
	END
	launch "$1" "$2" -f -c "$base/$1.conf"
	wait_for "http://127.0.0.1:${port[$1]}/readyz"
	"$built/preload" "${port[$1]}" "$KEYS" || die "cannot fill $1"
}

start_kvstored() {
	start_daemon kvstored "${KVSTORED:?}"
}

start_before() {
	[ -z "${BEFORE:-}" ] || start_daemon before "$BEFORE"
}

start_nginx() {
	installed nginx nginx || return 0
	port[nginx]=$(free_port)
	mkdir "$base/nginx"
	cat >"$base/nginx.conf" <<-END
		daemon off;
		worker_processes auto;
		pid $base/nginx/pid;
		error_log stderr error;
		events { worker_connections 2048; }
		http {
			access_log off;
			keepalive_requests 1000000000;
			default_type application/octet-stream;
			client_body_temp_path $base/nginx/body;
			proxy_temp_path $base/nginx/proxy;
			fastcgi_temp_path $base/nginx/fastcgi;
			uwsgi_temp_path $base/nginx/uwsgi;
			scgi_temp_path $base/nginx/scgi;
			server {
				listen 127.0.0.1:${port[nginx]} backlog=1024;
				location / { return 200 "$(printf 'x%.0s' {1..100})"; }
			}
		}
	END
	launch nginx nginx -e stderr -p "$base/nginx" -c "$base/nginx.conf"
	wait_for "http://127.0.0.1:${port[nginx]}/get?key=k"
	pids[nginx]+=" $(pgrep -P "${pids[nginx]// /}" | tr '\n' ' ')"
}

start_redis() {
	local tries=0
	installed redis redis-server redis-cli redis-benchmark || return 0
	port[redis]=$(free_port)
	mkdir "$base/redis"
	cat >"$base/redis.conf" <<-END
		bind 127.0.0.1
		port ${port[redis]}
		dir $base/redis
		daemonize no
		save ""
		appendonly yes
		appendfsync everysec
		auto-aof-rewrite-percentage 0
	END
	launch redis redis-server "$base/redis.conf"
	until redis-cli -p "${port[redis]}" ping >/dev/null 2>&1; do
		[ $((tries += 1)) -lt 500 ] || die "redis-server does not start: $(tail -n 3 "$base/redis.log")"
	done
	awk -v n="$KEYS" 'BEGIN { for (i = 0; i < 100; i++) v = v sprintf("%c", 97 + i * 7 % 26)
		for (i = 0; i < n; i++) printf "SET k%015d %s\r\n", i, v }' |
		redis-cli -p "${port[redis]}" --pipe >/dev/null || die "cannot fill redis"
	redis-cli -p "${port[redis]}" config set appendfsync always >/dev/null || die "no appendfsync always"
}

# needs start_redis before it
start_webdis() {
	installed webdis webdis redis-server || return 0
	[ -n "${port[redis]:-}" ] || return 0
	port[webdis]=$(free_port)
	cat >"$base/webdis.json" <<-END
		{ "redis_host": "127.0.0.1", "redis_port": ${port[redis]}, "http_host": "127.0.0.1", "http_port": ${port[webdis]},
		  "threads": 2, "daemonize": false, "database": 0, "verbosity": 1, "logfile": "$base/webdis.messages" }
	END
	launch webdis webdis "$base/webdis.json"
	wait_for "http://127.0.0.1:${port[webdis]}/PING"
	pids[webdis]+=" ${pids[redis]}"
}

# etcd gets ETCD_KEYS keys only: it takes a minute for each 100,000.
start_etcd() {
	installed etcd etcd || return 0
	port[etcd]=$(free_port)
	launch etcd etcd --data-dir "$base/etcd" --listen-client-urls "http://127.0.0.1:${port[etcd]}" \
		--advertise-client-urls "http://127.0.0.1:${port[etcd]}" --listen-peer-urls "http://127.0.0.1:$(free_port)" \
		--logger zap --log-outputs stderr --log-level error
	wait_for "http://127.0.0.1:${port[etcd]}/health"
	awk -v n="$ETCD_KEYS" -v url="http://127.0.0.1:${port[etcd]}/v3/kv/txn" -f "$here/etcd_fill.awk" |
		curl -q -s -S -f -o /dev/null -K - || die "cannot fill etcd"
}
