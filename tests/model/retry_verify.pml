/*
 * `retry-verify`, WAL mode: main, then the WAL, between two equal looks at the WAL's header. The
 * labels R1... are those of docs/consistency.md; without the check of a label the copy must be seen
 * to go wrong.
 */
#ifdef WITHOUT_R5
#define SUM_IS_RIGHT(i) true
#endif
#ifdef WITHOUT_R6
#define CHAIN_IS_RIGHT(i, before) true
#endif
#include "wal_owner.pml"

#ifdef WITHOUT_R4
#define HEADER_BY_PATH header   /* of the file that was opened at first */
#else
#define HEADER_BY_PATH (is_unlinked -> 0 : header)
#endif

#ifdef WITHOUT_R7
#define COUNTS(i) true
#else
#define COUNTS(i) (slot[i].size != 0)
#endif

inline copy_main() {
  copy.at[1] = main.at[1];
  copy.at[2] = main.at[2]
}

/* The committed prefix, slot by slot; the copied WAL is judged by the header that came with it. */
inline copy_wal() {
  g = header;
  atomic { at = 1; prev = 0 }
  do
  :: atomic {
      IS_VALID(at, g, prev) ->
      pending.at[slot[at].page] = slot[at].data;
      prev = slot[at].sum;
      if
      :: COUNTS(at) ->
        size = slot[at].size;
        for (i : 1 .. 2) {
          if
          :: pending.at[i] != 0 -> overlay.at[i] = pending.at[i]
          :: else
          fi
        }
      :: else
      fi;
      at++
    }
  :: else -> break
  od
}

proctype RetryVerify() {
  byte started, h0, g, at, prev, size, i;
  Pages copy, overlay, pending;
  bool found;

  /* Step 1: H0 */
  atomic { started = newest; h0 = HEADER_BY_PATH }
#ifndef WITHOUT_R1
  if
  :: h0 == 0 -> goto again
  :: else
  fi;
#endif
  /* Step 2: main, then the WAL */
#ifdef WITHOUT_R2
  copy_wal();
  copy_main();
#else
  copy_main();
  copy_wal();
#endif
  /* Step 3: H1, and the header that was copied */
#ifndef WITHOUT_R3
  if
  :: HEADER_BY_PATH == h0
  :: else -> goto again
  fi;
#endif
  if
  :: g == h0
  :: else -> goto again
  fi;
  /* Step 4: the fold */
  atomic {
    for (i : 1 .. 2) {
      if
      :: overlay.at[i] == 0 -> overlay.at[i] = copy.at[i]
      :: else
      fi
    }
#ifndef WITHOUT_R8
    if
    :: size == 1 -> overlay.at[2] = 0
    :: else
    fi
#endif
  }
  check_copy(overlay.at[1], overlay.at[2], started);
again:
  over = true
}

init {
  byte i;
  atomic { begin_owners(); i = 0; run RetryVerify() }
}
