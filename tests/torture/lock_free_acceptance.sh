#!/usr/bin/env bash
# The long cells of owners that let nobody in: EXCLUSIVE locking mode, every journal mode. Stops at
# the first bad cell.
#   tests/torture/lock_free_acceptance.sh BUILD_DIR [SEED [COPIES_OF_WAL [COPIES_OF_ROLLBACK]]]
# One seed is one shard: run it with others elsewhere to make more copies.
set -euo pipefail
build=${1:?usage: lock_free_acceptance.sh BUILD_DIR [SEED [COPIES_OF_WAL [COPIES_OF_ROLLBACK]]]}
seed=${2:-1}
wal_copies=${3:-500}
rollback_copies=${4:-100}
export SQLBK_LIVE_WRITER=$build/bench/kit/live-writer

cell() {
  "$build/tests/torture/torture" --seed "$seed" --keep "${SQLBK_KEEP:-torture-bad}" "$@"
}

for size in 20 200; do
  wal=(--locking exclusive --journal-mode wal --vary-rows --rows 16 --warm-up-resets 50 --size-mb "$size")
  for pause in 20000 2000; do
    cell "${wal[@]}" --pause-us "$pause" --copies $(((wal_copies + 2) / 3))
  done
  cell "${wal[@]}" --copies $(((wal_copies + 2) / 3)) --timeout-ms 20000 --good-percent 95
done
# Generations of equal length leave little evidence of their end: measured, not judged.
cell --locking exclusive --journal-mode wal --warm-up-resets 50 --size-mb 200 --copies 20 --timeout-ms 20000 \
  --good-percent 0

for mode in delete truncate persist; do
  cell --locking exclusive --journal-mode "$mode" --pause-us 20000 --copies "$rollback_copies" --timeout-ms 10000 \
    --good-percent 95
  for pause in 2000 0; do
    cell --locking exclusive --journal-mode "$mode" --pause-us "$pause" --copies 20 --timeout-ms 2000 --good-percent 0
  done
  cell --locking exclusive --journal-mode "$mode" --pause-us 20000 --size-mb 200 --copies 20 --timeout-ms 2000 \
    --good-percent 0
done
# Half a transaction in the file, and no journal to show it: never a copy.
for mode in memory off; do
  for locking in exclusive normal; do
    cell --journal-mode "$mode" --locking "$locking" --holding --copies 50 --timeout-ms 200 \
      --good-percent 0
  done
done
