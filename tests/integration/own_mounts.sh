# SPDX-License-Identifier: BSD-2-Clause
# own_mounts.sh: lib.sh for tests that mount a disk of their own, which nobody else sees. They mount it at $DISK; $DATA is below it.
if [ -z "${KV_TEST_OWN_MOUNTS:-}" ]; then
	if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
		echo "skipped: needs root, and mounts of its own"
		exit 77
	fi
	KV_TEST_OWN_MOUNTS=1 exec unshare -m bash "$0" "$@"
fi
. "${top_srcdir:?}/tests/integration/lib.sh"

DISK=$DIR/disk
DATA=$DISK/data
mkdir "$DISK"
unmount() {
	local code=$?
	kill -KILL "${started[@]}" 2>/dev/null
	umount -l "$DISK" 2>/dev/null
	(exit $code)
	cleanup
}
trap unmount EXIT
