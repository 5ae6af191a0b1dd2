#!/bin/bash
# Puts what the given programs need to run into a folder: they, the dynamic libraries that they
# load, and nothing that starts anything (no shell, no package manager).
#
#   deploy/image/rootfs.sh DESTINATION USER_ID PROGRAM...
#
# Libraries come whole from Debian's packages, fetched from the package archive that this machine is
# set up with; documentation, translations and the like are left out, copyright files are kept.
# What is installed is recorded under /var/lib/dpkg/status.d, where image scanners look. Runs as
# root, so that files belong to it.
set -euo pipefail

destination="$(readlink -f "$1")"
user="$2"
shift 2
programs=("$@")

fail() { echo "rootfs.sh: $*" >&2; exit 1; }

libraries() {  # Absolute paths of what the programs load, the loader included.
  local output
  output="$(ldd "${programs[@]}")" || fail "ldd failed: $output"
  if grep -q 'not found' <<<"$output"; then fail "libraries are missing: $output"; fi
  # "name => /path (address)" or, for the loader, "/path (address)".
  sed -n 's|^\s\(.* => \)\?\(/[^ ]*\) (0x.*|\2|p' <<<"$output" | sort -u
}

package_of() {  # LIBRARY: packages record a path with or without /usr.
  local path
  for path in "$1" "/usr$1" "${1#/usr}"; do
    dpkg-query -S "$path" 2>/dev/null | sed 's/: .*//; s/:.*//' | head -n 1 | grep . && return
  done
  fail "$1 is of no Debian package"
}

apt() { apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@" </dev/null; }

fetch() {  # PACKAGE...: into the current folder.
  local log
  log="$(mktemp)"
  # Package lists may be absent or name files that are no longer there.
  if ! apt download "$@" >"$log" 2>&1 && ! { apt update && apt download "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not download $*"
  fi
  rm -f "$log"
}

lay_out() {  # Folders that the system is merged into, and those that a runtime mounts over.
  local name
  mkdir -p "$destination"/{dev,etc,proc,run,sys,usr/bin,usr/lib,usr/lib64,usr/sbin,var/lib}
  for name in bin lib lib64 sbin; do ln -s "usr/$name" "$destination/$name"; done
  mkdir -p "$destination/var/lib/dpkg/status.d"
}

unpack() {  # FILE.deb
  local name
  # Links of the merged /usr stay what they are.
  dpkg-deb --fsys-tarfile "$1" |
    tar -x -C "$destination" --keep-directory-symlink --no-same-owner --wildcards \
      --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' \
      --exclude='./usr/share/lintian/*' --exclude='./usr/share/info/*' \
      --exclude='./usr/share/doc/*/*[!t]' --exclude='./usr/share/doc/*/*.txt' \
      --exclude='*/gconv/*' --exclude='*/engines-3/*' --exclude='*/ossl-modules/*' \
      --exclude='./usr/share/gdb/*' --exclude='./usr/share/gcc/*' --exclude='./etc/update-motd.d/*'
  name="$(dpkg-deb -f "$1" Package)"
  dpkg-deb -f "$1" >"$destination/var/lib/dpkg/status.d/$name"
}

prune() {
  rm -rf "$destination"/{boot,home,media,mnt,opt,root,srv,tmp,var/backups,var/cache,var/local} \
    "$destination"/{var/lock,var/log,var/mail,var/opt,var/run,var/spool,var/tmp,var/lib/misc} \
    "$destination"/usr/{games,include,local,src} "$destination/usr/share/base-files"
  rm -f "$destination"/etc/{issue,issue.net,motd} "$destination"/etc/profile
  find "$destination" -mindepth 2 -type d -empty -not -path "$destination/var/lib/*" \
    -not -path "$destination/usr/*bin" -delete
}

write_names() {
  printf 'root:x:0:0:root:/:/sbin/nologin\nrasputin:x:%d:%d::/var/lib/rasputin:/sbin/nologin\n' \
    "$user" "$user" >"$destination/etc/passwd"
  printf 'root:x:0:\nrasputin:x:%d:\n' "$user" >"$destination/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$destination/etc/nsswitch.conf"
  install -d -m 0750 -o "$user" -g "$user" "$destination/var/lib/rasputin"
}

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mapfile -t needed < <(libraries)
[[ ${#needed[@]} -gt 0 ]] || fail "no libraries found"
# base-files says which system this is.
mapfile -t packages < <({ echo base-files
  for library in "${needed[@]}"; do package_of "$library"; done; } | sort -u)

lay_out
(cd "$scratch" && fetch "${packages[@]}")
for archive in "$scratch"/*.deb; do unpack "$archive"; done
prune
write_names
for program in "${programs[@]}"; do
  strip --strip-all -o "$scratch/stripped" "$program"
  install -D -m 0755 "$scratch/stripped" "$destination/usr/bin/$(basename "$program")"
done
for library in "${needed[@]}"; do
  [[ -e "$destination$library" ]] || fail "$library is not in the packages ${packages[*]}"
done
