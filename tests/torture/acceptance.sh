#!/usr/bin/env bash
# The long cells of owners that let others in: saturating and pausing writers with every kind of
# checkpointer, all rollback modes. Takes more than half an hour on two cores. Stops at the first bad cell.
#   tests/torture/acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]
set -euo pipefail
build=${1:?usage: acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]}
auto_copies=${2:-200}
other_copies=${3:-50}
export SQLBK_LIVE_WRITER=$build/bench/kit/live-writer

# The copies of a cell, in runs of at most 20, each with a database of its own and another seed: the
# WAL of three writers that never pause grows without bound, whoever reads it.
cell() { # COPIES ARGUMENT...
  local left=$1 seed=1
  shift
  while ((left > 0)); do
    "$build/tests/torture/torture" --seed "$seed" --copies $((left < 20 ? left : 20)) \
      --keep "${SQLBK_KEEP:-torture-bad}" "$@"
    left=$((left - 20)) seed=$((seed + 1))
  done
}

for strategy in auto {snapshot,lock}+{range,plain,mmap}; do
  copies=$other_copies
  [[ $strategy != auto ]] || copies=$auto_copies
  for writers in 1 3; do
    for checkpoint in none passive; do
      cell "$copies" --strategy "$strategy" --writers "$writers" --checkpoint "$checkpoint"
    done
  done
  for checkpoint in restart truncate; do
    cell "$copies" --strategy "$strategy" --writers 2 --pause-us 500 --checkpoint "$checkpoint" \
      --checkpoint-every-ms 200
  done
  [[ $strategy != auto ]] || continue
  for mode in delete truncate persist memory off; do
    cell "$copies" --strategy "$strategy" --journal-mode "$mode"
  done
done
