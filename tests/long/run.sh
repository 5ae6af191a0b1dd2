#!/bin/bash
# Builds what the long suite needs and runs it: tests/long/run.sh [--step NAME[=AMOUNT]]... [...]
#
# All flags: tests/long/suite.py --help. Installs what is missing; leaves outputs under
# _rasputin_long/ and appends to tests/ledger/ledger.jsonl (--ledger FILE: elsewhere).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

third_party/install.sh build test
mapfile -t targets < <(tests/long/suite.py --targets "$@")
third_party/bazel.sh build "${targets[@]}"
# The build server would take processor time and memory from what is measured.
[[ -n "${RASPUTIN_KEEP_BAZEL:-}" ]] || third_party/bazel.sh shutdown >/dev/null 2>&1 || true
exec tests/long/suite.py "$@" </dev/null
