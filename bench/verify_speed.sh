#!/usr/bin/env bash
# Wall time of sqlbk verify beside PRAGMA integrity_check in the sqlite3 shell, on a database of many
# tables with indexes and on one of a single big table; interleaved, medians, everything in the page
# cache.
#   bench/verify_speed.sh BUILD_DIR DIRECTORY [SIZE_MB [RUNS [JOBS]]]
set -euo pipefail
build=${1:?usage: verify_speed.sh BUILD_DIR DIRECTORY [SIZE_MB [RUNS [JOBS]]]}
directory=$(mktemp -d "${2:?}/sqlbk-verify-speed-XXXXXX")
trap 'rm -rf "$directory"' EXIT
size=${3:-2048} runs=${4:-5} jobs=${5:-$(nproc)}

# The corpus' own table shares the file with the extra ones; alone it is the big table.
"$build/bench/make-corpus" --path "$directory/many.db" --size-mb "$size" --extra-tables 8 --indexes
"$build/bench/make-corpus" --path "$directory/one.db" --size-mb "$size"

timed() { # NAME COMMAND...: seconds and peak memory, appended to a file of that name
  local name=$1
  shift
  /usr/bin/time -f '%e %M' -a -o "$directory/$name.times" "$@" >"$directory/out"
}
for database in many one; do
  cat "$directory/$database.db" >/dev/null
  for _ in $(seq "$runs"); do
    timed "$database-shell" sqlite3 "$directory/$database.db" 'PRAGMA integrity_check'
    grep -qx ok "$directory/out"
    timed "$database-verify" "$build/tools/sqlbk/sqlbk" verify --checks structure --jobs "$jobs" \
      "$directory/$database.db"
  done
done
for database in many one; do
  for name in shell verify; do
    sort -n "$directory/$database-$name.times" | awk -v name="$database $name" '
      { wall[NR] = $1; if ($2 > peak) peak = $2 }
      END { printf "%-12s median %.2f s (%.2f to %.2f), peak memory %.1f MB\n",
            name, wall[int((NR + 1) / 2)], wall[1], wall[NR], peak / 1024 }'
  done
done
