#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# variant.sh SRCDIR NAME TARGET [CONFIGURE-ARGUMENT...]
# Configures and builds SRCDIR in ./build-NAME and makes TARGET there. When SRCDIR itself has been configured,
# which forbids other builds of it, a copy of the sources as in a release serves instead.
set -eu
srcdir=$(realpath "$1") name=$2 target=$3
shift 3
build=build-$name
mkdir -p "$build"
if [ -e "$srcdir/config.status" ]; then
	${MAKE:-make} -s distdir distdir="$build/source"
	srcdir=$(realpath "$build/source")
fi
cd "$build"
[ -e config.status ] && [ config.status -nt "$srcdir/configure" ] || "$srcdir/configure" --quiet "$@"
exec ${MAKE:-make} "$target"
