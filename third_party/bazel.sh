#!/bin/bash
# Runs bazel as the scripts do: third_party/bazel.sh COMMAND ARGUMENT...
#
# Adds a disk cache outside of the tree, under ${XDG_CACHE_HOME:-$HOME/.cache}, so that a fresh
# clone compiles only what changed; a --disk_cache in ~/.bazelrc is preferred. Never reads standard
# input.
set -euo pipefail

export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
command="$1"
shift
cache=()
if [[ "$command" =~ ^(build|run|test)$ ]] && ! grep -qse '--disk_cache' "$HOME/.bazelrc"; then
  cache=("--disk_cache=${XDG_CACHE_HOME:-$HOME/.cache}/rasputin-bazel")
fi
exec bazel "$command" "${cache[@]}" "$@" </dev/null
