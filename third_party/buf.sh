#!/bin/bash
# Prints the path of buf, the linter of protos, installing it from npm at first use.
#
# It lands in ${XDG_CACHE_HOME:-$HOME/.cache}, outside of the tree. Needs npm
# (third_party/install.sh test).
set -euo pipefail

version=1.75.0
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/rasputin-tools/buf-$version"
binary="$folder/node_modules/.bin/buf"

if [[ ! -x "$binary" ]]; then
  mkdir -p "$folder"
  # Trust what the system trusts; node has a list of its own otherwise.
  system_certificates=/etc/ssl/certs/ca-certificates.crt
  if [[ -z "${NODE_EXTRA_CA_CERTS:-}" && -r "$system_certificates" ]]; then
    export NODE_EXTRA_CA_CERTS="$system_certificates"
  fi
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  if ! npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts \
      "@bufbuild/buf@$version" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "buf.sh: npm could not install @bufbuild/buf@$version; see above" >&2
    exit 1
  fi
fi
echo "$binary"
