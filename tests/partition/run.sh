#!/bin/bash
# Runs the partition scenarios on Rasputin and etcd as real processes and prints one table.
#
#   tests/partition/run.sh [--scenario NAME]... [--rounds N] [--systems LIST] [--pauses N] ...
#
# All flags: tests/partition/partition.py --help. Needs root (network namespaces, mounts); without
# it, says so and exits with 77. Logs, histories, results.json and table.md are left under
# _rasputin_partition/; what it starts ends with it. Installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

third_party/install.sh build test bench
third_party/bazel.sh build //server:rasputind //client:rasputin //tests/partition:partition_load \
  //tests/partition:clock_shim.so
# The build server would take processor time and memory from what is measured.
[[ -n "${RASPUTIN_KEEP_BAZEL:-}" ]] || third_party/bazel.sh shutdown >/dev/null 2>&1 || true
exec tests/partition/partition.py "$@" </dev/null
