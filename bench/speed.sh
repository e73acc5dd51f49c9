#!/usr/bin/env bash
# Wall time of sqlbk copy beside cp and sqlite3 .backup, each made durable, interleaved, medians.
#   bench/speed.sh BUILD_DIR DIRECTORY [SIZE_MB [WAL_MB [RUNS]]]
set -euo pipefail
build=${1:?usage: speed.sh BUILD_DIR DIRECTORY [SIZE_MB [WAL_MB [RUNS]]]}
directory=$(mktemp -d "${2:?}/sqlbk-speed-XXXXXX")
trap 'rm -rf "$directory"' EXIT
size=${3:-1024} wal=${4:-400} runs=${5:-5}
source=$directory/source.db

"$build/bench/make-corpus" --path "$source" --size-mb "$size" --wal-mb "$wal"
sync -f "$directory"

timed() { # NAME COMMAND...: seconds and peak memory, appended to a file of that name
  local name=$1
  shift
  rm -f "$directory"/copy*
  sync -f "$directory"
  /usr/bin/time -f '%e %M' -a -o "$directory/$name.times" "$@"
}
# The WAL must survive each run: SQLite would checkpoint it on close, so .backup gets files of its own.
for _ in $(seq "$runs"); do
  timed sqlbk "$build/tools/sqlbk/sqlbk" copy --quiet "$source" "$directory/copy.db"
  timed cp sh -c 'cp "$1" "$2" && cp "$1-wal" "$2-wal" && sync "$2" "$2-wal"' sh "$source" "$directory/copy.db"
  cp "$source" "$directory/for-backup.db"
  cp "$source-wal" "$directory/for-backup.db-wal"
  timed backup sh -c 'sqlite3 "$1" ".backup $2" && sync "$2"' sh "$directory/for-backup.db" "$directory/copy.db"
  rm -f "$directory"/for-backup*
done
for name in sqlbk cp backup; do
  sort -n "$directory/$name.times" | awk -v name="$name" '
    { wall[NR] = $1; if ($2 > peak) peak = $2 }
    END { printf "%-8s median %.2f s (%.2f to %.2f), peak memory %.1f MB\n",
          name, wall[int((NR + 1) / 2)], wall[1], wall[NR], peak / 1024 }'
done
