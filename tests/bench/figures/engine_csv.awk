# SPDX-License-Identifier: BSD-2-Clause
# engine_csv.awk: lines of bench_engine (name=value, a value with blanks between double quotes) as CSV, after a line of names with
# -v head=1. `round` goes to the front; `frozen` is how many full memtables of kvstored may wait. Of its own, from what is there:
#   cpu_us_per_op, space_amp (disk_bytes / live_bytes), write_amp (what was written after loading / keys and values written),
#   memory_bytes (the peak without what the bench itself holds), memory_limit_bytes (memtables, cache and 40 MiB).
BEGIN {
	names = split("round engine version workload keys value_size threads compression seed ops seconds ops_per_s cpu_s " \
		"cpu_settle_s cpu_us_per_op p50_us p99_us p999_us max_us user_bytes written_bytes written_load_bytes write_amp " \
		"read_bytes disk_bytes live_bytes space_amp peak_memory_bytes peak_anon_bytes harness_bytes memory_bytes " \
		"memory_limit_bytes load_s settled found missing options", name, " ")
	if (head) {
		for (i = 1; i <= names; i++) printf("%s%s", name[i], i < names ? "," : "\n")
		exit
	}
}

/^engine=/ {
	split("", field)
	rest = $0
	while (match(rest, /[a-z0-9_]+=("[^"]*"|[^ ]*)/)) {
		one = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		at = index(one, "=")
		text = substr(one, at + 1)
		if (substr(one, 1, at - 1) != "options") gsub(/["]/, "", text)
		if (substr(one, 1, at - 1) != "options") gsub(/,/, ";", text)
		field[substr(one, 1, at - 1)] = text
	}
	field["round"] = round
	if (field["ops"] > 0) field["cpu_us_per_op"] = sprintf("%.3f", field["cpu_s"] * 1e6 / field["ops"])
	if (field["live_bytes"] > 0) field["space_amp"] = sprintf("%.4f", field["disk_bytes"] / field["live_bytes"])
	if (field["user_bytes"] > 0)
		field["write_amp"] = sprintf("%.4f", (field["written_bytes"] - field["written_load_bytes"]) / field["user_bytes"])
	if (field["peak_memory_bytes"] > 0) field["memory_bytes"] = sprintf("%.0f", field["peak_memory_bytes"] - field["harness_bytes"])
	if (field["write_buffer_mb"] > 0)
		field["memory_limit_bytes"] = sprintf("%.0f", (field["write_buffer_mb"] * (1 + frozen) + field["cache_mb"] + 40) * 1048576)
	for (i = 1; i <= names; i++) printf("%s%s", field[name[i]], i < names ? "," : "\n")
}
