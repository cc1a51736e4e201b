# man pages and documents
dist_man_MANS = doc/kvctl.1 doc/kvfsck.8 doc/kvstored.8 doc/kvstored.conf.5

# installed as README names them, below its own directory; the plots are those that a publishing makes (tests/bench/publish.sh)
dist_doc_DATA = NEWS README
kvdocdir = $(docdir)/doc
dist_kvdoc_DATA = doc/benchmarks.md doc/HACKING.md doc/design.md doc/http-api.md doc/format.md doc/mutants.md doc/reliability.md \
	doc/bench-engine.svg doc/bench-engine-latency.svg doc/bench-engine-scale.svg doc/bench-http.svg doc/bench-http-connections.svg
