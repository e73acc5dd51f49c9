# shellcheck shell=bash disable=SC2034
# What the scripts beside this file share: the packages, how to get them, how to build.

# Debian 12's names. What each set needs beyond the ones before it.
build_packages=(g++ meson ninja-build pkg-config libsqlite3-dev libboost-filesystem-dev
  libboost-program-options-dev nlohmann-json3-dev libssl-dev)
test_packages=(libgtest-dev libgmock-dev sqlite3 python3 strace btrfs-progs xfsprogs e2fsprogs
  spin)
all_packages=(clang libclang-rt-14-dev clang-format clang-tidy shellcheck)

unset CDPATH
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$@"
  exit 1
}

includes() { printf '#include <%s>\n' "$@" | c++ -std=c++20 -E -x c++ - >/dev/null 2>&1; }

# Whether what the package gives is there all the same: another distribution, or built by hand.
is_there_otherwise() {
  case $1 in
    g++) command -v c++ ;;
    ninja-build) command -v ninja ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    libssl-dev) pkg-config --exists libcrypto ;;
    libboost-filesystem-dev) includes boost/filesystem.hpp ;;
    libboost-program-options-dev) includes boost/program_options.hpp ;;
    nlohmann-json3-dev) includes nlohmann/json.hpp ;;
    libgtest-dev) includes gtest/gtest.h ;;
    libgmock-dev) includes gmock/gmock.h ;;
    btrfs-progs) command -v mkfs.btrfs ;;
    xfsprogs) command -v mkfs.xfs ;;
    e2fsprogs) command -v mkfs.ext4 ;;
    lib*) return 1 ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

# The packages that are missing, one a line.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qxF "installed $package" <<<"$installed" || is_there_otherwise "$package" ||
      printf '%s\n' "$package"
  done
}

# Runs a command silently; where it fails, shows all that it printed.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

apt_install() {
  local command=(apt-get install -y --no-install-recommends "$@")
  export DEBIAN_FRONTEND=noninteractive
  # A fresh machine has no package lists, or old ones; then only the second try can work.
  "${command[@]}" || { apt-get update && "${command[@]}"; }
}

# Installs those of the packages that are missing; asks apt only if there are any.
require_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} > 0)) || return 0
  if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}"
    die "these are Debian's names and there is no apt-get here: install what corresponds, then run this again"
  fi
  if ((EUID != 0)); then
    say "missing: ${missing[*]}"
    die "run this, then the same command again: sudo apt-get install -y --no-install-recommends ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  quietly apt_install "${missing[@]}" || die "apt-get could not install ${missing[*]}"
}

# configure DIRECTORY MESON-OPTION...: anew, unless that was done before.
configure() {
  [[ -f $1/build.ninja ]] && return
  rm -rf -- "$1"
  quietly meson setup "$1" "$root" "${@:2}"
}
