# SPDX-License-Identifier: BSD-2-Clause
# stats.awk: the lines of csv_long.awk in memory, and medians of them; for use before another file of this folder:
#   awk -f stats.awk -f table.awk long
# All lines of a round count; a round that lacks a value is left out of what needs it.

function remember(cell, metric, round, number) {
	value[cell, metric, round] = number
	if (!(round in known_round)) { known_round[round] = 1; round_name[++round_count] = round }
	if (!(cell in known_cell)) { known_cell[cell] = 1; cell_name[++cell_count] = cell }
}

function sort(list, n,   i, j, x) {
	for (i = 2; i <= n; i++) {
		x = list[i]
		for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
		list[j + 1] = x
	}
}

# Median, least and most of list[1..n], which gets sorted, in the globals middle, least and most.
function spread(list, n) {
	sort(list, n)
	least = list[1]
	most = list[n]
	middle = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# The value of a cell in a round; of a cell with a `*`, the most of all that fit; "" for none.
function value_in(cell, metric, round,   i, pattern, best) {
	if (cell == "const") return metric + 0
	if (index(cell, "*") == 0) return (cell, metric, round) in value ? value[cell, metric, round] + 0 : ""
	pattern = "^" cell "$"
	gsub(/[*]/, "[^/]*", pattern)
	best = ""
	for (i = 1; i <= cell_count; i++)
		if (cell_name[i] ~ pattern && (cell_name[i], metric, round) in value)
			if (best == "" || value[cell_name[i], metric, round] + 0 > best) best = value[cell_name[i], metric, round] + 0
	return best
}

# Sets middle, least and most of a metric over the rounds; the number of rounds that have it. Of a cell with a `*`, those of
# the cell with the largest median.
function over_rounds(cell, metric,   i, n, v, list, pattern, best, best_least, best_most, best_n) {
	if (index(cell, "*") > 0) {
		pattern = "^" cell "$"
		gsub(/[*]/, "[^/]*", pattern)
		for (i = 1; i <= cell_count; i++) {
			if (cell_name[i] !~ pattern || !(n = over_rounds(cell_name[i], metric)) || (best_n && middle <= best)) continue
			best = middle
			best_least = least
			best_most = most
			best_n = n
		}
		middle = best
		least = best_least
		most = best_most
		return best_n + 0
	}
	for (i = 1; i <= round_count; i++) {
		v = value_in(cell, metric, round_name[i])
		if (v != "") list[++n] = v
	}
	if (n) spread(list, n)
	return n + 0
}

# A number of bytes for people, when the name of the metric says that it is one; otherwise as human().
function human_of(metric, x) {
	return metric ~ /_bytes$/ && x >= 1048576 ? human(x / 1048576) " MiB" : human(x)
}

# A number for people: three significant digits and more before the point.
function human(x) {
	if (x == "") return "-"
	if (x >= 100 || x <= -100) return sprintf("%.0f", x)
	if (x >= 10) return sprintf("%.1f", x)
	return sprintf("%.2f", x)
}
