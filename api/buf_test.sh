#!/bin/bash
# Lints the protos and compares them with the committed baseline, by buf.
#
# buf is taken from $RASPUTIN_BUF (set by test.sh), else from where third_party/buf.sh puts it;
# without it the test fails. Outside of Bazel: `api/buf_test.sh --update-baseline` accepts what the
# protos are now as the new baseline, which must be the last step of a change that only adds.
set -euo pipefail

version=1.75.0
buf="${RASPUTIN_BUF:-}"
if [[ -z "$buf" ]]; then
  home="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
  buf="${XDG_CACHE_HOME:-$home/.cache}/rasputin-tools/buf-$version/node_modules/.bin/buf"
fi
if [[ ! -x "$buf" ]]; then
  echo "buf_test: no buf at '$buf': run third_party/buf.sh, or set RASPUTIN_BUF" >&2
  exit 1
fi

here="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"
if [[ "${1:-}" == --update-baseline ]]; then
  (cd "$here" && "$buf" breaking --against baseline.binpb && "$buf" build -o baseline.binpb)
  exit
fi

fail() {
  echo "buf_test: $*" >&2
  exit 1
}

# buf does not follow links, and runfiles are links.
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
export HOME="$scratch" XDG_CACHE_HOME="$scratch/cache"
cp -rL api "$scratch/api"
cd "$scratch/api"

declared="$(find . -name '*.proto' | sort)"
present="$(cd "$here" && find . -name '*.proto' | sort)"
[[ "$declared" == "$present" ]] ||
  fail "PROTOS of api/BUILD.bazel lacks $(comm -13 <(echo "$declared") <(echo "$present") | xargs)"

"$buf" lint || fail "the protos break a rule of api/buf.yaml"
"$buf" breaking --against baseline.binpb ||
  fail "the protos break clients or stored data; see 'Compatibility' in api/README.md"

# The checks can fail: a field without comment, and a changed number.
victim=rasputin/type/v1/range.proto
cp "$victim" "$scratch/kept.proto"
sed -i 's|^}$|  uint64 uncommented = 99;\n}|' "$victim"
if "$buf" lint >/dev/null; then fail "lint lets a field without comment pass"; fi
sed 's|uint64 range_id = 1;|uint64 range_id = 90;|' "$scratch/kept.proto" >"$victim"
if "$buf" breaking --against baseline.binpb >/dev/null; then fail "a changed number passes"; fi
