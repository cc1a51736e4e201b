# SPDX-License-Identifier: BSD-2-Clause
# plot_lib.sh: what plot_http.sh and plot_engine.sh share; sourced by them. Each sets color[NAME] of what it draws. In the files, a
# figure is three columns: median, least and most.

# bars FILE COLUMN: plot elements of a bar with a whisker for each line "name figure..."
bars() {
	local name line=0 out=''
	while read -r name _; do
		out+="${out:+, }'$1' every ::$line::$line using ($line):$2:(0.7):xtic(1) with boxes lc rgb '${color[$name]}' notitle"
		out+=", '$1' every ::$line::$line using ($line):$(($2 + 1)):(0):(column($(($2 + 2)))-column($(($2 + 1))))"
		out+=" with vectors nohead lw 3 lc rgb '#333333' notitle"
		line=$((line + 1))
	done <"$1"
	echo "${out:-0 notitle}"
}

# lines FILE COLUMN NAME...: a line with whiskers for each file FILE.NAME that there is, "x figure..."
lines() {
	local name out=''
	for name in "${@:3}"; do
		[ -s "$1.$name" ] || continue
		out+="${out:+, }'$1.$name' using 1:$2:$(($2 + 1)):$(($2 + 2)) with yerrorlines lw 2 pt 7 ps 0.5"
		out+=" lc rgb '${color[$name]}'"
	done
	echo "${out:-0 notitle}"
}

# legend FROM NAME...: in a line above all panels, FROM percent from the left
legend() {
	local name at=0
	for name in "${@:2}"; do
		echo "set label $((at + 1)) '— $name' at screen $((at * 10 + $1))e-2, 0.975 tc rgb '${color[$name]}'"
		at=$((at + 1))
	done
}
