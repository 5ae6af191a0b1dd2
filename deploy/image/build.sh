#!/bin/bash
# Builds the container image of rasputind and rasputin, without a daemon.
#
#   deploy/image/build.sh [--tag NAME] [--programs FOLDER] [--archive FILE]
#
#   --tag       the image's name in this machine's storage (default: rasputin:VERSION)
#   --programs  where rasputind and rasputin are (default: builds them)
#   --archive   also writes the image as an OCI archive, compressed as a registry keeps it
#
# Runs as root. Needs buildah (third_party/install.sh build deploy) and Debian's package archive as
# this machine is set up to reach it. Prints the name and the size. The same programs and packages
# give the same image: files are dated $SOURCE_DATE_EPOCH, or the last commit.
set -euo pipefail

# Also in deploy/base: a number, so that runAsNonRoot can be checked.
user=65532

here="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"
root="$here/../.."
fail() { echo "build.sh: $*" >&2; exit 1; }

tag=""
programs=""
archive=""
while [[ $# -gt 0 ]]; do
  case "$1" in
    --tag | --programs | --archive)
      [[ $# -ge 2 ]] || fail "$1 takes a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "unexpected '$1' (see --help)" ;;
  esac
done
[[ "$(id -u)" -eq 0 ]] || fail "run as root: the files of an image belong to it"
command -v buildah >/dev/null || fail "no buildah: run third_party/install.sh deploy"

if [[ -z "$programs" ]]; then
  (cd "$root" && third_party/bazel.sh build //server:rasputind //client:rasputin)
  programs="$root/bazel-bin"
  rasputind="$programs/server/rasputind"
  rasputin="$programs/client/rasputin"
else
  rasputind="$programs/rasputind"
  rasputin="$programs/rasputin"
fi
for program in "$rasputind" "$rasputin"; do
  [[ -x "$program" ]] || fail "$program is missing"
done
version="$("$rasputind" --version | awk '{print $2}')"
tag="${tag:-rasputin:$version}"
git() { command git -C "$root" -c safe.directory='*' "$@" 2>/dev/null; }
date_seconds="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct || echo 0)}"
revision="$(git rev-parse HEAD || echo unknown)"

container="$(buildah from scratch)"
trap 'buildah rm "$container" >/dev/null' EXIT
rootfs="$(buildah mount "$container")"
"$here/rootfs.sh" "$rootfs" "$user" "$rasputind" "$rasputin"
size_bytes="$(du -s --apparent-size --block-size=1 "$rootfs" | cut -f 1)"
buildah umount "$container" >/dev/null

buildah config --user "$user:$user" --entrypoint '["/usr/bin/rasputind"]' \
  --workingdir /var/lib/rasputin --volume /var/lib/rasputin --stop-signal SIGTERM \
  --port 7770/tcp --port 8880/tcp --port 9090/tcp \
  --label org.opencontainers.image.title=rasputin \
  --label org.opencontainers.image.description="A replicated key-value store by ranges" \
  --label org.opencontainers.image.version="$version" \
  --label org.opencontainers.image.revision="$revision" \
  "$container"
image="$(buildah commit --quiet --timestamp "$date_seconds" "$container" "$tag")"

in_mb() { echo "$1 bytes ($((($1 + 500000) / 1000000)) MB)"; }
echo "$tag (${image:0:12}): $(in_mb "$size_bytes") unpacked"
if [[ -n "$archive" ]]; then
  buildah push --quiet "$image" "oci-archive:$archive:$tag"
  echo "$archive: $(in_mb "$(stat -c %s "$archive")")"
fi
