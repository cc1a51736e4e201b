# Tests against the real daemon: bash scripts over lib.sh, each with its own port and directory. One line each.
EXTRA_DIST += tests/integration/lib.sh
