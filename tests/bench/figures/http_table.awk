# SPDX-License-Identifier: BSD-2-Clause
# http_table.awk: the table of one request ("get" or "set", in `request`) of bench_http.sh, for align.awk.
#   awk -v request=get -f stats.awk -f http_table.awk long
BEGIN { FS = "\t" }
{ remember($1, $2, $3, $4) }
END {
	print "connections\tserver\trequests/s\tCPU us/request\tp50 us\tp99 us"
	for (i = 1; i <= cell_count; i++) {
		split(cell_name[i], part, "/")
		if (part[3] != request) continue
		if (!(part[4] in known)) { known[part[4]] = 1; counts[++n] = part[4] + 0 }
		if (!(part[2] in party_known)) { party_known[part[2]] = 1; party[++parties] = part[2] }
	}
	sort(counts, n)
	for (i = 1; i <= n; i++)
		for (p = 1; p <= parties; p++) {
			cell = "http/" party[p] "/" request "/" counts[i]
			if (!over_rounds(cell, "requests_per_s")) continue
			line = counts[i] "\t" party[p] "\t" human(middle) " (" human(least) " to " human(most) ")"
			over_rounds(cell, "cpu_us")
			line = line "\t" human(middle) " (" human(least) " to " human(most) ")"
			over_rounds(cell, "p50_us")
			line = line "\t" human(middle)
			over_rounds(cell, "p99_us")
			print line "\t" human(middle) " (" human(least) " to " human(most) ")"
		}
}
