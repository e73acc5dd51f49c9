/*
 * `follow`, WAL mode: main is copied while the WAL is followed, across resets. The labels F1... are
 * those of docs/consistency.md; without the check of a label the copy must be seen to go wrong.
 */
#ifdef WITHOUT_F2
#define SUM_IS_RIGHT(i) true
#endif
#ifdef WITHOUT_F3
#define CHAIN_IS_RIGHT(i, before) true
#endif
#include "wal_owner.pml"

#ifdef WITHOUT_F5
#define MAY_KEEP_SECOND_READ(i) true
#else
#define MAY_KEEP_SECOND_READ(i) IS_VALID(i, g, prev)
#endif
/* Byte for byte: the transaction's number stands for all of them. */
#define SLOT_K_IS_OURS \
  (k == 0 || (k <= slots && slot[k].salt == g && slot[k].sum == k_sum && slot[k].data == k_sum))
#ifdef WITH_CAP
#define MAY_FOLLOW(i) (i <= cap)
#else
#define MAY_FOLLOW(i) true
#endif
#ifdef WITHOUT_F14
#define HEADER_BY_PATH header   /* of the file that was opened at first */
#else
#define HEADER_BY_PATH (is_unlinked -> 0 : header)
#endif

bool main_may_start, main_copied;
Pages copy;                     /* of main; 0 where the overlay covers it: that saves states */
Pages overlay;

#define COPY_PAGE(p) copy.at[p] = (overlay.at[p] != 0 -> 0 : main.at[p])
#define LAY_OVER(p, content) overlay.at[p] = content; copy.at[p] = 0

proctype MainMover() provided (!over) {
  atomic { main_may_start; COPY_PAGE(1) }
  atomic { COPY_PAGE(2); main_copied = true }
}

/* Step 1 is the argument: the header is read before all else. The owners need no time before it: what
   they would have done is one of the states that they begin with. */
proctype Follower(byte g) {
  byte started, seen, k, k_sum, at, prev, next_salt, length, size, i;
#ifdef WITH_CAP
  byte cap;
#endif
  Pages pending;
  bool found, is_last;

#ifdef WITHOUT_F1
  main_may_start = true;
  g = header;
  if
  :: g == 0 -> goto failed
  :: else
  fi;
#endif
#ifdef WITHOUT_PREFIX_FIRST
  atomic { main_may_start = true; started = newest }
#endif

look:                           /* step 2 */
  seen = HEADER_BY_PATH;
  if
  :: seen == 0 -> goto failed
  :: seen == g -> goto read_on
  :: seen != 0 && seen != g -> goto next_generation
  fi;

read_on:                        /* step 3 */
#ifdef WITH_CAP
  cap = (salt == g -> mx_frame : 0);
#endif
  atomic { at = k + 1; prev = k_sum; pending.at[1] = 0; pending.at[2] = 0 }
  do
  :: atomic {
      IS_VALID(at, g, prev) && MAY_FOLLOW(at) ->
      pending.at[slot[at].page] = slot[at].data;
      prev = slot[at].sum;
#ifdef WITHOUT_F4
      LAY_OVER(slot[at].page, slot[at].data);
#endif
      if
      :: slot[at].size == 0
      :: slot[at].size != 0 -> size = slot[at].size; goto commit
      fi;
      at++
    }
  :: else -> break
  od;
  goto check_slot_k;

commit:
  if
  :: atomic {
      for (i : 1 .. 2) {
        if
        :: pending.at[i] != 0 -> LAY_OVER(i, pending.at[i])
        :: else
        fi
      }
    }
  /* Too long to be kept in memory: read a second time, checked a second time. */
  :: at > k + 1 ->
    atomic { length = k + 1; prev = k_sum }
    do
    :: length <= at ->
      atomic {
        if
        :: MAY_KEEP_SECOND_READ(length) ->
          LAY_OVER(slot[length].page, slot[length].data); prev = slot[length].sum; length++
        :: else -> goto failed
        fi
      }
    :: else -> break
    od
  fi;
  atomic { k = at; k_sum = prev; length = 0; goto read_on }

check_slot_k:                   /* step 4 */
  atomic { at = 0; prev = 0; pending.at[1] = 0; pending.at[2] = 0;
    if
    :: SLOT_K_IS_OURS -> found = true
    :: else -> found = false
    fi
  }
  if
  :: !found ->
    if
    :: HEADER_BY_PATH == g -> goto failed
    :: else -> goto look
    fi
  :: found
  fi;
#ifndef WITHOUT_F6
  if
  :: HEADER_BY_PATH == g
  :: else -> goto look
  fi;
#endif
  goto looked;

next_generation:                /* step 5 */
#ifndef WITHOUT_F7
  if
  :: seen != g + 1 -> goto failed
  :: else
  fi;
#endif
#ifndef WITHOUT_F8
  if
  :: k == 0 -> goto failed
  :: else
  fi;
#endif
#ifdef WITHOUT_ORDER_OF_SLOTS
  if
  :: SLOT_K_IS_OURS
  :: else -> goto failed
  fi;
#endif
  next_salt = (k + 1 <= slots -> slot[k + 1].salt : 0);
  length = slots;
#if !defined(WITHOUT_F10) && !defined(WITHOUT_ORDER_OF_SLOTS)
  if
  :: SLOT_K_IS_OURS
  :: else -> goto failed
  fi;
#endif
  if
  :: next_salt != 0 ->
#if defined(WITHOUT_F9)
    skip
#elif defined(WITHOUT_OLDER)
    if
    :: next_salt != g
    :: else -> goto failed
    fi
#else
    if
    :: next_salt < g
    :: else -> goto failed
    fi
#endif
  :: next_salt == 0 && length == k ->
#ifndef WITHOUT_F11
    at = 1; prev = 0;
    do
    :: atomic {
        IS_VALID(at, seen, prev) ->
        if
        :: slot[at].size != 0 -> goto failed
        :: else -> prev = slot[at].sum; at++
        fi
      }
    :: else -> break
    od
#else
    skip
#endif
  :: next_salt == 0 && length != k -> goto failed
  fi;
#ifndef WITHOUT_HEADER_AGAIN
  if
  :: HEADER_BY_PATH == seen
  :: else -> goto failed
  fi;
#endif
  atomic { g = seen; k = 0; k_sum = 0; at = 0; prev = 0; next_salt = 0; length = 0; goto look }

looked:                         /* step 6 */
  if
  :: is_last -> goto publish
  :: !is_last && main_copied -> is_last = true;
#ifdef WITHOUT_F12
    goto publish
#else
    goto look
#endif
  :: !main_copied && !main_may_start -> atomic { main_may_start = true; started = newest; goto look }
  :: !main_copied && main_may_start -> goto look
  fi;

publish:                        /* step 7 */
  atomic {
    for (i : 1 .. 2) {
      if
      :: overlay.at[i] == 0 -> overlay.at[i] = copy.at[i]
      :: else
      fi
    }
#ifndef WITHOUT_F13
    if
    :: size == 1 -> overlay.at[2] = 0
    :: else
    fi
#endif
  }
  check_copy(overlay.at[1], overlay.at[2], started);
failed:
  over = true
}

init {
  byte i;
  atomic { begin_owners(); i = 0; run MainMover(); run Follower(header) }
}
