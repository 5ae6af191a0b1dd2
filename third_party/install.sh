#!/bin/bash
# Installs the Debian 12 packages that the given groups need; does nothing, quickly, when all are
# there.
#
#   third_party/install.sh [build] [test] [clang] [bench] [deploy]      (default: build)
#
# Runs as root or through sudo. Network use: Debian's package archive, and only if something is
# missing.
set -euo pipefail

# What compiles and links every target, and what rasputind and rasputin need to run.
build_packages=(
  g++ bazel-bootstrap pkg-config
  libabsl-dev libgoogle-glog-dev libgrpc++-dev libisal-dev libprotobuf-dev librocksdb-dev
  nlohmann-json3-dev protobuf-compiler protobuf-compiler-grpc
  libbenchmark-dev libgmock-dev libgtest-dev
  python3
)
# What the test suite runs besides: clients of generated stubs, the formatter, readers of manifests.
test_packages=(
  clang-format git iproute2 nftables procps python3-grpcio python3-protobuf python3-yaml
)
clang_packages=(clang)
bench_packages=(etcd-client etcd-server)
deploy_packages=(buildah)

packages=()
for group in "${@:-build}"; do
  case "$group" in
    build) packages+=("${build_packages[@]}") ;;
    test) packages+=("${build_packages[@]}" "${test_packages[@]}") ;;
    clang) packages+=("${clang_packages[@]}") ;;
    bench) packages+=("${bench_packages[@]}") ;;
    deploy) packages+=("${deploy_packages[@]}") ;;
    *) echo "install.sh: unknown group '$group' (build, test, clang, bench, deploy)" >&2; exit 2 ;;
  esac
  # Node carries buf, the linter of protos. Whoever has a node already keeps it.
  if [[ "$group" == test ]] && ! command -v npm >/dev/null; then packages+=(npm); fi
  # Likewise kubectl, which renders the manifests: other packages of it own the same file.
  if [[ "$group" == test ]] && ! command -v kubectl >/dev/null; then
    packages+=(kubernetes-client)
  fi
done

missing=()
for package in "${packages[@]}"; do
  status="$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)"
  [[ "$status" == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

release="$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-unknown}")"
if [[ "$release" != "debian 12" ]]; then
  echo "install.sh: this is '$release'; the project is built and tested on 'debian 12'" >&2
fi

as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install.sh: missing packages: ${missing[*]}" >&2
    echo "install.sh: run this script as root, or install sudo" >&2
    exit 1
  fi
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null
}

echo "install.sh: installing ${missing[*]}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "install.sh: apt-get failed; see above" >&2
  exit 1
fi
