#!/bin/bash
# Builds the image, starts its container by buildah as one node on loopback, asks it, stops it, and
# starts the node once more with a root that is mounted read-only.
#
# Runs as root with buildah and Debian's package archive within reach; fails, and says so, without.
# Images and containers live in a storage of their own that is removed again.
set -euo pipefail

export PATH="$PATH:/usr/sbin:/sbin"  # chroot.
fail() { echo "image_test: $*" >&2; exit 1; }
say() { printf '%-58s -> %s\n' "$1" "$2"; }

[[ "$(id -u)" -eq 0 ]] || fail "must run as root: images are built as root"
command -v buildah >/dev/null || fail "no buildah: run third_party/install.sh deploy"

answer_timeout_seconds=60
stop_timeout_seconds=30
scratch="$(mktemp -d)"
container=""
runner=""  # The process started here: buildah, or the node itself.
node=""    # rasputind.

cleanup() {
  local status=$?
  trap - EXIT
  [[ -z "$node" ]] || kill -KILL "$node" 2>/dev/null || true
  [[ -z "$runner" ]] || { kill -KILL "$runner" || true; wait "$runner" || true; } 2>/dev/null
  if [[ $status -ne 0 && -e "$scratch/output" ]]; then cat "$scratch/output" >&2; fi
  if [[ -n "$container" ]]; then
    buildah umount "$container" >/dev/null 2>&1 || true
    buildah rm --all >/dev/null 2>&1 || true
    buildah rmi --all --force >/dev/null 2>&1 || true
  fi
  umount "$scratch/graph/overlay" 2>/dev/null || true
  rm -rf --one-file-system "$scratch"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export CONTAINERS_STORAGE_CONF="$scratch/storage.conf"
printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
  overlay "$scratch/graph" "$scratch/run" >"$CONTAINERS_STORAGE_CONF"

free_port() {
  /usr/bin/python3 -c '
import socket
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    print(free.getsockname()[1])'
}

http_get() {  # PATH: the answer's body; fails unless it is a 200.
  /usr/bin/python3 -c '
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with opener.open(sys.argv[1], timeout=5) as answer:
    sys.stdout.write(answer.read().decode())' "http://127.0.0.1:$http_port$1" 2>/dev/null
}

choose_flags() {
  http_port="$(free_port)"
  client_port="$(free_port)"
  flags=(--dev --listen-host=127.0.0.1 "--peer-port=$(free_port)" "--cli-port=$client_port"
    "--http-port=$http_port" --storage-dir=/var/lib/rasputin/data)
}

node_below() {  # PID: the process named rasputind that it, or a descendant, started.
  local child found
  for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
    if [[ "$(cat "/proc/$child/comm" 2>/dev/null)" == rasputind ]]; then echo "$child"; return; fi
    found="$(node_below "$child")"
    if [[ -n "$found" ]]; then echo "$found"; return; fi
  done
}

await_ready() {
  local deadline=$((SECONDS + answer_timeout_seconds))
  until http_get /readyz >/dev/null; do
    kill -0 "$runner" 2>/dev/null || fail "the node stopped by itself"
    ((SECONDS < deadline)) || fail "no 200 from /readyz within $answer_timeout_seconds s"
    sleep 0.2
  done
}

stop() {  # WHAT: SIGTERM to the node, which must exit with 0.
  local code=0 waited=0
  kill -TERM "$node"
  while kill -0 "$node" 2>/dev/null && ((waited < stop_timeout_seconds * 10)); do
    sleep 0.1
    waited=$((waited + 1))
  done
  kill -0 "$node" 2>/dev/null && fail "the node did not stop within $stop_timeout_seconds s"
  node=""
  wait "$runner" || code=$?
  runner=""
  [[ $code -eq 0 ]] || fail "$1 ended with exit code $code after SIGTERM"
  say "SIGTERM to $1" "exit code 0"
}

expect_http() {  # PATH BODY
  local body
  body="$(http_get "$1")" || fail "$1 does not answer 200"
  say "GET $1" "$body"
  [[ "$body" == "$2" ]] || fail "$1 answers '$body', not '$2'"
}

expect_client() {  # EXPECTED_PART ARGUMENT...: of rasputin, run in the container.
  local want="$1" got code=0
  shift
  got="$(buildah run --isolation chroot --env ASAN_OPTIONS=detect_leaks=0 "$container" -- \
    /usr/bin/rasputin --endpoints "127.0.0.1:$client_port" "$@" 2>&1 </dev/null)" || code=$?
  say "rasputin $*" "$got"
  [[ $code -eq 0 && "$got" == *"$want"* ]] ||
    fail "expected exit code 0 and '$want' from rasputin $*, got $code and '$got'"
}

build_image() {
  mkdir "$scratch/programs"
  cp -L server/rasputind client/rasputin "$scratch/programs/"
  deploy/image/build.sh --tag rasputin-test:1 --programs "$scratch/programs" \
    --archive "$scratch/image.tar" | sed "s|$scratch/||"
  container="$(buildah from rasputin-test:1)"
  rootfs="$(buildah mount "$container")"
}

check_contents() {
  local user entrypoint found
  user="$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")"
  entrypoint="$(buildah inspect --format '{{.OCIv1.Config.Entrypoint}}' "$container")"
  say "user and entrypoint of the image" "$user $entrypoint"
  [[ "$user" == 65532:65532 && "$entrypoint" == "[/usr/bin/rasputind]" ]] ||
    fail "expected user 65532:65532 and entrypoint [/usr/bin/rasputind]"
  found="$(find "$rootfs" -xdev \( -name sh -o -name bash -o -name apt -o -name dpkg \) -type f)"
  [[ -z "$found" ]] || fail "the image has a shell or a package manager: $found"
  found="$(find "$rootfs" -xdev -type f -perm /6000)"
  [[ -z "$found" ]] || fail "the image has programs with rights of their own: $found"
  found="$(find "$rootfs" -xdev ! -type l \( -user 65532 -o -perm /002 \) \
    ! -path "*/var/lib/rasputin")"
  [[ -z "$found" ]] || fail "the node's user may write to $found"
}

start_by_buildah() {
  choose_flags
  buildah run --isolation chroot --env ASAN_OPTIONS=detect_leaks=0 "$container" -- \
    /usr/bin/rasputind "${flags[@]}" >"$scratch/output" 2>&1 </dev/null &
  runner=$!
  await_ready
  node="$(node_below "$runner")"
  [[ -n "$node" ]] || fail "no process rasputind below buildah"
  [[ "$(stat -c %u "/proc/$node")" == 65532 ]] || fail "the node does not run as user 65532"
}

start_read_only() {  # What a runtime does: its own mounts, a root that nobody can write to.
  choose_flags
  ASAN_OPTIONS=detect_leaks=0 unshare --mount --propagation private bash -euc '
    rootfs="$1"; shift
    mount --bind "$rootfs" "$rootfs"
    mount --rbind /dev "$rootfs/dev"
    mount -t tmpfs -o uid=65532,gid=65532,mode=0750 state "$rootfs/var/lib/rasputin"
    mount -o remount,bind,ro "$rootfs"
    if touch "$rootfs/written" 2>/dev/null; then echo "the root can be written to"; exit 1; fi
    exec setpriv --no-new-privs chroot --userspec=65532:65532 "$rootfs" /usr/bin/rasputind "$@"
  ' bash "$rootfs" "${flags[@]}" >"$scratch/output" 2>&1 </dev/null &
  runner=$!
  node=$runner
  await_ready
  [[ "$(stat -c %u "/proc/$node")" == 65532 ]] || fail "the node does not run as user 65532"
}

build_image
check_contents
start_by_buildah
expect_http /healthz ok
expect_http /readyz ok
expect_client "" kv set greeting hello
expect_client hello kv get greeting
expect_client "existed already" cluster init
stop "the container"
start_read_only
expect_http /healthz ok
stop "the node with a read-only root"
