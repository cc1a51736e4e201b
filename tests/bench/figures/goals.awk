# SPDX-License-Identifier: BSD-2-Clause
# goals.awk: holds a run against goals.txt.
#   awk -v keys=1000000 -v big=20000000 -f stats.awk -f goals.awk goals.txt long
# Prints for each goal, between tabs: its id, its text, the ratio of the medians, the least and the most of the ratio within one
# round, what is to be reached, the two medians, the verdict ("met", "not met" or "not measured"), and the processor time an operation
# of the two in microseconds, where there is one.
BEGIN { OFS = "\t" }
FNR == NR {
	if ($0 ~ /^(#|$)/) next
	gsub(/KEYS/, keys)
	gsub(/BIG/, big)
	gsub(/MIDDLE/, int(big / 4))
	n = split($0, field, /[ \t]+/)
	id[++goals] = field[1]
	a_cell[goals] = field[2]; a_metric[goals] = field[3]
	b_cell[goals] = field[4]; b_metric[goals] = field[5]
	relation[goals] = field[6]; limit[goals] = field[7]
	for (i = 8; i <= n; i++) text[goals] = text[goals] (i > 8 ? " " : "") field[i]
	next
}
{ remember($1, $2, $3, $4) }

# Sets middle, least and most of the ratio within each round; the number of rounds.
function ratios(g,   i, n, a, b, list) {
	for (i = 1; i <= round_count; i++) {
		a = value_in(a_cell[g], a_metric[g], round_name[i])
		b = value_in(b_cell[g], b_metric[g], round_name[i])
		if (a != "" && b != "" && b + 0 != 0) list[++n] = a / b
	}
	if (n) spread(list, n)
	return n + 0
}

function processor_time(cell, metric) {
	if (metric ~ /per_s$/ && (over_rounds(cell, "cpu_us_per_op") || over_rounds(cell, "cpu_us"))) return human(middle)
	return "-"
}

END {
	for (g = 1; g <= goals; g++) {
		bound = (relation[g] == ">=" ? "at least " : "at most ") limit[g]
		if (!ratios(g)) {
			print id[g], text[g], "-", "-", "-", bound, "-", "-", "not measured", "-", "-"
			continue
		}
		from = least
		to = most
		over_rounds(a_cell[g], a_metric[g])
		a = middle
		if (b_cell[g] == "const") b = b_metric[g] + 0
		else { over_rounds(b_cell[g], b_metric[g]); b = middle }
		met = relation[g] == ">=" ? a / b >= limit[g] + 0 : a / b <= limit[g] + 0
		printf("%s\t%s\t%.3f\t%.3f\t%.3f\t%s\t%s\t%s\t%s\t%s\t%s\n", id[g], text[g], a / b, from, to, bound,
			human_of(a_metric[g], a), human_of(b_metric[g], b),
			met ? "met" : "not met", processor_time(a_cell[g], a_metric[g]), processor_time(b_cell[g], b_metric[g]))
	}
}
