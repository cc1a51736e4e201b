# man pages and documents
dist_man_MANS = doc/kvstored.8 doc/kvstored.conf.5
EXTRA_DIST += doc/bench-http.svg doc/HACKING.md doc/design.md doc/http-api.md doc/format.md
