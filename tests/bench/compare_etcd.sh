#!/bin/bash
# Puts the same load on a Rasputin cluster and an etcd cluster, in turn, and prints one table.
#
#   tests/bench/compare_etcd.sh [BENCH_FLAG...]        (see: rasputin bench --help)
#
# Starts three nodes of each on 127.0.0.1, at free ports, with fresh data side by side under
# _rasputin_bench/; both sync every write to disk before they answer. etcd gets room for its best:
# no snapshots during the run and a large quota. Without flags: set and get at 1, 64 and 256
# outstanding, three interleaved rounds of 10 seconds. The result is also written to
# _rasputin_bench/result.json. Stops the processes that it started, and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder="$PWD/_rasputin_bench"
nodes=3
start_timeout_seconds=60
pids=()

fail() { echo "compare_etcd.sh: $*" >&2; exit 1; }
listens() { (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null; }

stop_all() {
  local status=$? pid waited=0 alive=true
  trap '' INT TERM
  trap - EXIT
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  while $alive && ((waited++ < 300)); do
    alive=false
    for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null && alive=true; done
    sleep 0.1
  done
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  exit "$status"
}

free_ports() {  # COUNT: prints so many different free ports
  /usr/bin/python3 - "$1" <<'PYTHON'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in held])
PYTHON
}

list() {  # FORMAT PORT...: the format for each port, separated by commas; %d is the port
  local format="$1" text="" number=0 port
  shift
  for port in "$@"; do
    number=$((number + 1))
    text+="${text:+,}${format//%d/$port}"
    text="${text//%n/$number}"
  done
  echo "$text"
}

start_rasputin() {  # NODE, from 0
  mkdir -p "$folder/rasputin$1"
  "$PWD/bazel-bin/server/rasputind" --listen-host=127.0.0.1 --advertise-host=127.0.0.1 \
    --peer-port="${peer_ports[$1]}" --cli-port="${client_ports[$1]}" \
    --http-port="${http_ports[$1]}" --seed-peers="$(list 127.0.0.1:%d "${peer_ports[@]}")" \
    --storage-dir="$folder/rasputin$1/data" >"$folder/rasputin$1/output" 2>&1 </dev/null &
  pids+=($!)
}

start_etcd() {  # MEMBER, from 0
  local name="member$(($1 + 1))" client="http://127.0.0.1:${etcd_ports[$1]}"
  local peer="http://127.0.0.1:${etcd_peer_ports[$1]}"
  mkdir -p "$folder/etcd$1"
  etcd --name "$name" --data-dir "$folder/etcd$1/data" --logger zap --log-level error \
    --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
    --initial-cluster "$(list member%n=http://127.0.0.1:%d "${etcd_peer_ports[@]}")" \
    --initial-cluster-state new --initial-cluster-token rasputin-bench \
    --snapshot-count 100000 --quota-backend-bytes 8589934592 \
    >"$folder/etcd$1/output" 2>&1 </dev/null &
  pids+=($!)
}

await_ports() {
  local port waited=0
  for port in "$@"; do
    until listens "$port"; do
      ((waited++ < start_timeout_seconds * 10)) ||
        fail "nothing listens on port $port after $start_timeout_seconds s; see $folder"
      sleep 0.1
    done
  done
}

command -v etcd >/dev/null || third_party/install.sh build bench
third_party/bazel.sh build //server:rasputind //client:rasputin
# The build server would take processor time and memory from what is measured.
[[ -n "${RASPUTIN_KEEP_BAZEL:-}" ]] || third_party/bazel.sh shutdown >/dev/null 2>&1 || true

rm -rf "$folder"
mkdir -p "$folder"
read -r -a ports <<<"$(free_ports $((5 * nodes)))"
peer_ports=("${ports[@]:0:nodes}")
client_ports=("${ports[@]:nodes:nodes}")
http_ports=("${ports[@]:2*nodes:nodes}")
etcd_ports=("${ports[@]:3*nodes:nodes}")
etcd_peer_ports=("${ports[@]:4*nodes:nodes}")

trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for ((node = 0; node < nodes; node++)); do
  start_rasputin "$node"
  start_etcd "$node"
done
await_ports "${client_ports[@]}" "${etcd_ports[@]}"
endpoints="$(list 127.0.0.1:%d "${client_ports[@]}")"
"$PWD/bazel-bin/client/rasputin" --endpoints "$endpoints" cluster init </dev/null
"$PWD/bazel-bin/client/rasputin" --endpoints "$endpoints" bench --compare \
  --etcd "$(list 127.0.0.1:%d "${etcd_ports[@]}")" --operations set,get \
  --result "$folder/result.json" "$@" </dev/null
