# man pages and documents
dist_man_MANS = doc/kvctl.1 doc/kvfsck.8 doc/kvstored.8 doc/kvstored.conf.5
EXTRA_DIST += doc/benchmarks.md doc/HACKING.md doc/design.md doc/http-api.md doc/format.md doc/mutants.md doc/reliability.md

# the plots that the last publishing has (tests/bench/publish.sh)
dist-hook:
	cp '$(srcdir)'/doc/bench-*.svg '$(distdir)/doc'
