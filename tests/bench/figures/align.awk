# SPDX-License-Identifier: BSD-2-Clause
# align.awk: fields between tabs, the first line being names, as a table that reads well as it is and is Markdown, too.
BEGIN { FS = "\t" }
{
	for (i = 1; i <= NF; i++) {
		cell[NR, i] = $i
		if (length($i) > width[i]) width[i] = length($i)
		if (NR > 1 && $i !~ /^[-<>=(]?[0-9.,kM%]*( \(.*\))?$/) words[i] = 1
	}
	if (NF > columns) columns = NF
}
END {
	for (r = 1; r <= NR; r++) {
		line = "|"
		for (i = 1; i <= columns; i++) line = line sprintf(words[i] ? " %-*s |" : " %*s |", width[i], cell[r, i])
		print line
		if (r > 1) continue
		line = "|"
		for (i = 1; i <= columns; i++) {
			rule = sprintf("%*s", width[i] + 2, "")
			gsub(/ /, "-", rule)
			if (!words[i]) rule = substr(rule, 2) ":"
			line = line rule "|"
		}
		print line
	}
}
