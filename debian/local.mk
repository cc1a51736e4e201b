# the Debian package
EXTRA_DIST += debian/control
