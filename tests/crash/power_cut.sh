#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The crash test with power cuts of an ext4 in the place of kill -9: CYCLES of them (100). Needs root, loop devices and mkfs.ext4.
POWER_CUTS=1 CYCLES=${CYCLES:-$([ -n "$KV_LONG" ] && echo 5000 || echo 100)} exec tests/crash/crash_client
