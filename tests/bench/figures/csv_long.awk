# SPDX-License-Identifier: BSD-2-Clause
# csv_long.awk: makes the CSV of a bench (a line of names, then rows) into lines of
#   cell <TAB> metric <TAB> round <TAB> value
# which is what the other scripts of this folder read. A cell is what was measured, the columns `by` of the row joined by
# slashes after `prefix`; every other column with a number in it is a metric.
#   awk -v prefix=http -v by=party,request,connections -f csv_long.awk http.csv
# A row with fewer columns than names was cut short by an end of the run, and is left out; the last column may hold commas.
BEGIN { FS = ","; OFS = "\t"; keys = split(by, key, ",") }
FNR == 1 {
	names = NF
	split("", at)
	split("", is_key)
	for (i = 1; i <= NF; i++) { name[i] = $i; at[$i] = i }
	for (k = 1; k <= keys; k++) is_key[at[key[k]]] = 1
	next
}
NF >= names {
	cell = prefix
	for (k = 1; k <= keys; k++) cell = cell "/" $at[key[k]]
	for (i = 1; i <= names; i++)
		if (i != at["round"] && !(i in is_key) && $i ~ /^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$/)
			print cell, name[i], $at["round"], $i
}
