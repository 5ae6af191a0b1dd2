#!/bin/bash
# Starts a cluster of N nodes on this machine and shows that it works.
#
#   ./run.sh [N] [--check]        (default: 3 nodes)
#
# Installs what is missing, builds, starts the nodes on 127.0.0.1 with their data under
# _rasputin_test/ (emptied first), initialises the cluster, sets, gets, compares-and-sets and
# deletes a key through its last node, prints the endpoints and stays up until Ctrl-C or until the
# last of its nodes is gone. The command line of node I is written to _rasputin_test/nodeI/start.sh,
# which starts it again. With --check it stops after the round and exits with its result; a node
# that died fails it. Ports: 7770.. between nodes, 8880.. for clients, 9090.. for HTTP. On the way
# out it stops the processes that it started, and nothing else.
set -euo pipefail
self="$(realpath "${BASH_SOURCE[0]}")"
cd "$(dirname "$self")"

nodes=3
check=false
for argument in "$@"; do
  case "$argument" in
    --check) check=true ;;
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$self"; exit 0 ;;
    [1-9]) nodes="$argument" ;;
    *) echo "run.sh: expected --check or 1 to 9 nodes, got '$argument'" >&2; exit 2 ;;
  esac
done

folder="$PWD/_rasputin_test"
start_timeout_seconds=60
stop_timeout_seconds=30
pids=()
errors=2  # The descriptor for error messages.

peer_port() { echo $((7769 + $1)); }
client_port() { echo $((8879 + $1)); }
http_port() { echo $((9089 + $1)); }
listens() { (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null; }
fail() { echo "run.sh: $*" >&2; exit 1; }

all_of() {  # FUNCTION: its value for each node as host:port, separated by commas
  local list="" node
  for ((node = 1; node <= nodes; node++)); do list+="${list:+,}127.0.0.1:$("$1" "$node")"; done
  echo "$list"
}

stop_nodes() {
  local status=$? pid waited=0 alive
  trap '' INT TERM
  trap - EXIT
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  while ((waited < stop_timeout_seconds * 10)); do
    alive=false
    for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null && alive=true; done
    $alive || break
    sleep 0.1
    waited=$((waited + 1))
  done
  for pid in "${pids[@]}"; do
    if kill -KILL "$pid" 2>/dev/null; then
      echo "run.sh: process $pid did not stop in $stop_timeout_seconds s and was killed" >&"$errors"
      status=1
    fi
  done
  wait 2>/dev/null || true
  exit "$status"
}

build() {
  third_party/install.sh build
  local status=0
  third_party/bazel.sh build //server:rasputind //client:rasputin || status=$?
  # The build server would only take memory from the nodes; RASPUTIN_KEEP_BAZEL=1 keeps it.
  [[ -n "${RASPUTIN_KEEP_BAZEL:-}" ]] || third_party/bazel.sh shutdown >/dev/null 2>&1 || true
  [[ $status -eq 0 ]] || fail "the build failed; see above"
  rasputind="$PWD/bazel-bin/server/rasputind"
  rasputin="$PWD/bazel-bin/client/rasputin"
}

refuse_ports_in_use() {
  local node port
  for ((node = 1; node <= nodes; node++)); do
    for port in "$(peer_port "$node")" "$(client_port "$node")" "$(http_port "$node")"; do
      ! listens "$port" || fail "port $port is in use; stop what listens there and run again"
    done
  done
}

start_node() {  # NODE
  local home="$folder/node$1"
  mkdir -p "$home"
  local command=("$rasputind" --listen-host=127.0.0.1 --advertise-host=127.0.0.1
    --peer-port="$(peer_port "$1")" --cli-port="$(client_port "$1")"
    --http-port="$(http_port "$1")" --storage-dir="$home/data" --logfile="$home/log"
    --seed-peers="$(all_of peer_port)")
  printf '#!/bin/bash\n# Starts node %s again; Ctrl-C stops it.\nexec %s\n' "$1" \
    "$(printf '%q ' "${command[@]}")" >"$home/start.sh"
  chmod +x "$home/start.sh"
  "${command[@]}" >"$home/output" 2>&1 </dev/null &
  pids+=($!)
}

# Reports each node that stops until none is left.
watch_nodes() {
  local node code others left="$nodes" gone=()
  while ((left > 0)); do
    for ((node = 1; node <= nodes; node++)); do
      [[ -z "${gone[node]:-}" ]] && ! kill -0 "${pids[node - 1]}" 2>/dev/null || continue
      code=0
      wait "${pids[node - 1]}" 2>/dev/null || code=$?
      gone[node]=yes
      left=$((left - 1))
      unset "pids[node - 1]"
      others=""
      ((left == 0)) || others="; the others go on"
      echo "node $node stopped (exit $code)$others; start it again with:"
      echo "  $(tail -n 1 "$folder/node$node/start.sh" | sed 's/^exec //')"
    done
    sleep 0.2
  done
}

await_node() {  # NODE
  local waited=0 home="$folder/node$1"
  until listens "$(peer_port "$1")" && listens "$(client_port "$1")" &&
    listens "$(http_port "$1")"; do
    if ! kill -0 "${pids[$1 - 1]}" 2>/dev/null; then
      cat "$home/output" >&2
      fail "node $1 stopped by itself; its log is $home/log"
    fi
    ((waited < start_timeout_seconds * 10)) ||
      fail "node $1 did not listen within $start_timeout_seconds s; its log is $home/log"
    sleep 0.1
    waited=$((waited + 1))
  done
}

expect() {  # EXIT_CODE EXPECTED_OUTPUT COMMAND...: an empty expectation accepts any output
  local want_code="$1" want="$2" got code=0 last_node
  last_node="127.0.0.1:$(client_port "$nodes")"
  shift 2
  got="$("$rasputin" --endpoints "$last_node" "$@" 2>&1 </dev/null)" || code=$?
  printf '  rasputin %-42s -> %s (exit code %d)\n' "$*" "${got//$'\n'/ | }" "$code"
  if [[ $code -ne $want_code || (-n "$want" && "$got" != *"$want"*) ]]; then
    fail "expected exit code $want_code and '$want' from: rasputin $*"
  fi
}

round() {
  expect 0 "" kv set greeting hello
  expect 0 hello kv get greeting
  expect 0 "" kv cas greeting goodbye --expect hello
  expect 1 goodbye kv cas greeting again --expect hello
  expect 0 goodbye kv del greeting
  expect 1 "" kv get greeting
}

build
refuse_ports_in_use
rm -rf "$folder"
trap stop_nodes EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for ((node = 1; node <= nodes; node++)); do start_node "$node"; done
for ((node = 1; node <= nodes; node++)); do await_node "$node"; done
"$rasputin" --endpoints "$(all_of client_port)" cluster init </dev/null ||
  fail "the cluster could not be initialised; logs are under $folder"
echo "The round of a key through node $nodes:"
round

for ((node = 1; node <= nodes; node++)); do
  kill -0 "${pids[node - 1]}" 2>/dev/null ||
    fail "node $node stopped by itself; its log is $folder/node$node/log"
done
$check && { echo "run.sh: $nodes nodes answered as they should"; exit 0; }
echo
for ((node = 1; node <= nodes; node++)); do
  echo "node $node: clients 127.0.0.1:$(client_port "$node"), http://127.0.0.1:$(http_port "$node")/," \
    "peers 127.0.0.1:$(peer_port "$node"), process ${pids[node - 1]}," \
    "started again by _rasputin_test/node$node/start.sh"
done
echo "Try: bazel-bin/client/rasputin --endpoints $(all_of client_port) kv set key value"
echo "Data and logs are under _rasputin_test/. Ctrl-C stops all nodes."
# On 2 bash would report in its own words, with the whole command, that a node was killed.
exec 3>&2
errors=3
watch_nodes 2>/dev/null
fail "all nodes have stopped; logs are under $folder"
