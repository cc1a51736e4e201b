# man pages and documents
EXTRA_DIST += doc/HACKING.md
dist_man_MANS =
