#!/usr/bin/env bash
# The long cells: copies under saturating and pausing writers with every kind of checkpointer, all
# rollback modes. Takes about half an hour on two cores. Stops at the first bad cell.
#   tests/torture/acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]
set -euo pipefail
build=${1:?usage: acceptance.sh BUILD_DIR [COPIES_OF_AUTO [COPIES_OF_THE_OTHERS]]}
auto_copies=${2:-200}
other_copies=${3:-50}
export SQLBK_LIVE_WRITER=$build/bench/kit/live-writer
torture=$build/tests/torture/torture
keep=${SQLBK_KEEP:-torture-bad}

copies_of() { if [ "$1" = auto ]; then echo "$auto_copies"; else echo "$other_copies"; fi; }

for strategy in auto snapshot+range snapshot+plain snapshot+mmap; do
  copies=$(copies_of "$strategy")
  for writers in 1 3; do
    for checkpoint in none passive; do
      "$torture" --strategy "$strategy" --writers "$writers" --checkpoint "$checkpoint" \
        --copies "$copies" --keep "$keep"
    done
  done
  for checkpoint in restart truncate; do
    "$torture" --strategy "$strategy" --writers 2 --pause-us 500 --checkpoint "$checkpoint" \
      --checkpoint-every-ms 200 --copies "$copies" --keep "$keep"
  done
done
for mode in delete truncate persist memory off; do
  for strategy in snapshot+range snapshot+plain snapshot+mmap; do
    "$torture" --strategy "$strategy" --journal-mode "$mode" --copies "$other_copies" --keep "$keep"
  done
done
