#!/bin/bash
# Installs what is missing, builds everything and runs every test.
#
#   ./test.sh [--asan | --tsan | --clang] [--long [--ledger FILE]] [TARGET...]
#
#   --asan   under the address and undefined behaviour sanitizers
#   --tsan   the targets without gRPC, under the thread sanitizer
#   --clang  with clang, which refuses headers that are only reached transitively
#   --long   then also the long suite (tests/long), an hour or more; its steps are appended to FILE
#            (default: tests/ledger/ledger.jsonl). Without a sanitizer, whatever the options
#
# Last line: "N passed, N failed", counting test cases; a target that does not build or that dies
# counts as one failed. ", N skipped" follows if cases could not run here, for want of rights for
# example; each is named above. Exit code 0 only if nothing failed. Needs no input and leaves
# nothing running.
set -euo pipefail
self="$(realpath "${BASH_SOURCE[0]}")"
here="$PWD"
cd "$(dirname "$self")"

groups=(test deploy)
options=()
long=false
long_options=()
targets=()
while [[ $# -gt 0 ]]; do
  argument="$1"
  shift
  case "$argument" in
    --asan) options+=(--config=asan) ;;
    --tsan) options+=(--config=tsan) ;;
    --clang) options+=(--config=clang); groups+=(clang) ;;
    --long) long=true ;;
    --ledger)
      [[ $# -gt 0 ]] || { echo "test.sh: --ledger needs a file" >&2; exit 2; }
      long_options+=(--ledger "$(cd "$here" && realpath -m "$1")")
      shift
      ;;
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$self"; exit 0 ;;
    -*) echo "test.sh: unknown option $argument (see --help)" >&2; exit 2 ;;
    *) targets+=("$argument") ;;
  esac
done
[[ ${#targets[@]} -gt 0 ]] || targets=(//...)

fail_early() {
  echo "test.sh: $1" >&2
  echo "0 passed, 1 failed"
  exit 1
}

third_party/install.sh "${groups[@]}" || fail_early "the packages could not be installed"
# Without one of these, the test that needs it fails by itself and says so; the others still run.
buf="$(third_party/buf.sh)" || buf=""
kubernetes_types="$(third_party/kubernetes_types.sh)" || kubernetes_types=""

events="$(mktemp -d)"
cleanup() {
  rm -rf "$events"
  # The build server is of no use to anyone else; RASPUTIN_KEEP_BAZEL=1 keeps it for the next run.
  [[ -n "${RASPUTIN_KEEP_BAZEL:-}" ]] || third_party/bazel.sh shutdown >/dev/null 2>&1 || true
}
trap cleanup EXIT

run() {  # NAME BAZEL_ARGUMENT...
  local name="$1" status=0
  shift
  third_party/bazel.sh test --keep_going --test_env=RASPUTIN_BUF="$buf" \
    --test_env=RASPUTIN_KUBERNETES_TYPES="$kubernetes_types" \
    --build_event_json_file="$events/$name.json" "${options[@]}" "$@" || status=$?
  # 4: everything built, but there was no test to run.
  [[ $status -eq 4 ]] && status=0
  echo "$status" >"$events/$name.status"
}

run suite -- "${targets[@]}"
if $long; then
  # A step that does not begin or end is a failure as much as one with violations.
  tests/long/run.sh --events "$events/long.steps" "${long_options[@]}" ||
    [[ -s "$events/long.steps" ]] || echo "failed the long suite did not run" >"$events/long.steps"
fi

python3 tests/summary/summarize.py "$events"
