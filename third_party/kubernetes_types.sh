#!/bin/bash
# Prints a folder whose node_modules has TypeScript and the types of the Kubernetes API, installing
# them from npm at first use.
#
# It lands in ${XDG_CACHE_HOME:-$HOME/.cache}, outside of the tree. Needs npm
# (third_party/install.sh test).
set -euo pipefail

typescript=5.4.5
types=1.30.0
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
name="kubernetes-types-$types-typescript-$typescript"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/rasputin-tools/$name"

if [[ ! -e "$folder/node_modules/.bin/tsc" ||
      ! -e "$folder/node_modules/kubernetes-types/package.json" ]]; then
  mkdir -p "$folder"
  # Trust what the system trusts; node has a list of its own otherwise.
  system_certificates=/etc/ssl/certs/ca-certificates.crt
  if [[ -z "${NODE_EXTRA_CA_CERTS:-}" && -r "$system_certificates" ]]; then
    export NODE_EXTRA_CA_CERTS="$system_certificates"
  fi
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  if ! npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts \
      "typescript@$typescript" "kubernetes-types@$types" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "kubernetes_types.sh: npm could not install typescript@$typescript and" \
      "kubernetes-types@$types; see above" >&2
    exit 1
  fi
fi
echo "$folder"
