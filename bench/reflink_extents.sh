#!/usr/bin/env bash
# How long a copy by reflink takes as the source has more extents; its size stays the same.
#   bench/reflink_extents.sh BUILD_DIR DIRECTORY [SIZE_MB [RUNS]]
# DIRECTORY: on a file system with reflinks (btrfs, XFS).
set -euo pipefail
build=${1:?usage: reflink_extents.sh BUILD_DIR DIRECTORY [SIZE_MB [RUNS]]}
directory=$(mktemp -d "${2:?}/sqlbk-extents-XXXXXX")
trap 'rm -rf "$directory"' EXIT
size=${3:-1024} runs=${4:-5}

"$build/bench/make-corpus" --path "$directory/whole.db" --size-mb "$size" >/dev/null
sync -f "$directory"

# Each page that is written again goes to a place of its own, as long as another file shares it.
scatter() { # FILE PAGES
  python3 - "$1" "$2" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
total, wanted = os.fstat(fd).st_size // 4096, int(sys.argv[2])
for i in range(wanted):
    offset = (i * total // wanted) * 4096
    os.pwrite(fd, os.pread(fd, 4096, offset), offset)
os.fsync(fd)
PYTHON
}

for pages in 0 500 5000 50000; do
  source=$directory/source-$pages.db
  cp --reflink=always "$directory/whole.db" "$source"
  scatter "$source" "$pages"
  sync -f "$directory"
  for _ in $(seq "$runs"); do
    /usr/bin/time -f %e -a -o "$directory/$pages.times" \
      "$build/tools/sqlbk/sqlbk" copy --quiet --strategy reflink "$source" "$directory/copy.db"
    rm "$directory/copy.db"
    sync -f "$directory"
  done
  sort -n "$directory/$pages.times" | awk -v size="$size" \
    -v extents="$(filefrag "$source" | sed 's/.*: \([0-9]*\) extent.*/\1/')" '
      { wall[NR] = $1 }
      END { printf "%d MiB, %6d extents: median %.2f s (%.2f to %.2f)\n",
            size, extents, wall[int((NR + 1) / 2)], wall[1], wall[NR] }'
  rm "$source"
done
