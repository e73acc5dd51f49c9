#!/usr/bin/env bash
# The long cells of owners that let others in: saturating and pausing writers with every kind of
# checkpointer, all rollback modes. Takes about 25 minutes on two idle cores. Stops at the first bad cell.
#   tests/torture/acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]
set -euo pipefail
build=${1:?usage: acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]}
auto_copies=${2:-200}
other_copies=${3:-50}
export SQLBK_LIVE_WRITER=$build/bench/kit/live-writer

# The copies of a cell, in runs of a few, each with a database of its own and another seed: the WAL
# of three writers that never pause grows without bound, whoever reads it, and once it is larger than
# what the page cache takes everybody waits for the disk.
cell() { # COPIES COPIES_OF_A_RUN ARGUMENT...
  local left=$1 most=$2 seed=1
  shift 2
  while ((left > 0)); do
    "$build/tests/torture/torture" --seed "$seed" --copies $((left < most ? left : most)) \
      --keep "${SQLBK_KEEP:-torture-bad}" "$@"
    left=$((left - most)) seed=$((seed + 1))
  done
}

for strategy in auto {snapshot,lock}+{range,plain,mmap}; do
  copies=$other_copies
  [[ $strategy != auto ]] || copies=$auto_copies
  for writers in 1 3; do
    for checkpoint in none passive; do
      cell "$copies" $((writers == 1 ? 20 : 8)) --strategy "$strategy" --writers "$writers" --checkpoint "$checkpoint"
    done
  done
  for checkpoint in restart truncate; do
    cell "$copies" 20 --strategy "$strategy" --writers 2 --pause-us 500 --checkpoint "$checkpoint" \
      --checkpoint-every-ms 200
  done
  [[ $strategy != auto ]] || continue
  for mode in delete truncate persist memory off; do
    cell "$copies" 20 --strategy "$strategy" --journal-mode "$mode"
  done
done
