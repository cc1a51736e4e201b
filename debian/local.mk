# the Debian package
EXTRA_DIST += debian/changelog debian/clean debian/control debian/copyright \
	debian/kvstored.logrotate debian/kvstored.postrm debian/kvstored.prerm debian/rules debian/source/format \
	debian/tests/control debian/tests/smoke
