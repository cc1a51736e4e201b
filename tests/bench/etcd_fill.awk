# SPDX-License-Identifier: BSD-2-Clause
# etcd_fill.awk: the configuration of a curl that writes the keys of the benchmarks, k%015d for 0..n-1, into etcd through
# its HTTP gateway at `url`, 100 in a transaction.
function base64(text,   i, j, bits, out) {
	for (i = 1; i <= length(text); i += 3) {
		bits = 0
		for (j = 0; j < 3; j++) bits = bits * 256 + (i + j <= length(text) ? code[substr(text, i + j, 1)] : 0)
		for (j = 3; j >= 0; j--)
			out = out (i + 3 - j > length(text) + 1 ? "=" : substr(digits, int(bits / 64 ^ j) % 64 + 1, 1))
	}
	return out
}

BEGIN {
	digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for (i = 32; i < 127; i++) code[sprintf("%c", i)] = i
	for (i = 0; i < 100; i++) value = value sprintf("%c", 97 + i * 7 % 26)
	value = base64(value)
	for (i = 0; i < n; i += 100) {
		if (i) print "next"
		print "url = \"" url "\"\nsilent\nfail\noutput = \"/dev/null\""
		printf "data = \"{\\\"success\\\":["
		for (j = i; j < i + 100 && j < n; j++)
			printf("%s{\\\"requestPut\\\":{\\\"key\\\":\\\"%s\\\",\\\"value\\\":\\\"%s\\\"}}", j > i ? "," : "",
				base64(sprintf("k%015d", j)), value)
		print "]}\""
	}
}
