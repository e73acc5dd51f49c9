/*
 * What the owners of a database in WAL mode do to its files, in steps as fine as another process
 * can tell apart. Included by the models of the strategies. Names in quotes are SQLite's functions.
 *
 * Two pages, a handful of slots. A transaction is a number; it writes its number into each page that
 * it changes. So a page's content says who wrote it, and a frame's checksum is modelled by two
 * numbers: `sum` (right for the frame's own bytes if equal to `data`) and `prev` (right for the chain
 * if it is the transaction whose frame is in the slot before, 0 in slot 1).
 */
#ifndef TXNS
#define TXNS 4                  /* transactions; main holds 1 at first, the WAL 2 or nothing */
#endif
#ifndef SLOTS
#define SLOTS 3
#endif
#define TORN 15                 /* a page of main that is being written */
#define LAST (TXNS + 1)         /* the transaction of a later owner, in a -wal of its own */
#define OLDEST 1                /* salt-1 of what an earlier generation left in the slots */

typedef Frame { byte salt; byte page; byte size; byte sum; byte prev; byte data };
typedef Pages { byte at[3] };

/* The files. A frame's header and its page are two writes; a page of main can be seen half written. */
Frame slot[SLOTS + 2];          /* from 1; the last one is never there */
byte slots;                     /* length of -wal in slots */
byte header = OLDEST + 1;       /* salt-1 in the header of -wal; 0: empty */
Pages main;                     /* 0: main ends before this page */

/* The wal-index. */
byte salt = OLDEST + 1;
byte mx_frame, n_backfill;
byte n_page = 2;                /* size after frame mx_frame */
byte last_sum;                  /* `aFrameCksum`: whose frame mx_frame is */
bool write_lock, ckpt_lock;
#ifdef WITH_GHOST
bool has_ghost;
#endif
bool is_unlinked;               /* the path names another -wal than the one above, or none */

bool over;                      /* the copy has ended, well or not: nobody needs to move any more */

/* For the property only: the whole database after each commit, and the newest that readers see. */
Pages state[LAST + 1];
byte newest = 1;

/* `walDecodeFrame`: salt, the sum over the frame's own bytes, the chain from the slot before. A model
   may define the last two away before it includes this. */
#ifndef SUM_IS_RIGHT
#define SUM_IS_RIGHT(i) (slot[i].sum == slot[i].data)
#endif
#ifndef CHAIN_IS_RIGHT
#define CHAIN_IS_RIGHT(i, before) (slot[i].prev == before)
#endif
#define IS_VALID(i, g, before) \
  (i <= slots && slot[i].salt == g && SUM_IS_RIGHT(i) && CHAIN_IS_RIGHT(i, before))

#ifdef WITH_HALVES
#define HALF_WAY } atomic {
#else
#define HALF_WAY                /* frames and pages are written at once */
#endif

/* Shortens -wal. */
inline cut(length) {
  for (i : length + 1 .. SLOTS) {
    slot[i].salt = 0; slot[i].page = 0; slot[i].size = 0;
    slot[i].sum = 0; slot[i].prev = 0; slot[i].data = 0
  }
  slots = length
}

proctype Writer() provided (!over) {
  byte txn = 2, at, prev, page, size, i;
  bool wrote_both;
  do
  :: txn < TXNS ->
    atomic {
      !write_lock && (mx_frame < SLOTS || n_backfill == mx_frame);
      write_lock = true; txn++; wrote_both = false;
      /* `walRestartLog`: the wal-index first, the file's header only with the next frame. Somebody
         in the middle of a checkpoint, or a reader, may prevent it. */
      if
      :: mx_frame > 0 && n_backfill == mx_frame && !ckpt_lock ->
        salt++; mx_frame = 0; n_backfill = 0; last_sum = 0
      :: mx_frame < SLOTS
      fi;
      at = mx_frame; prev = last_sum;
      /* `sqlite3WalFrames`: the header, then the frames. Those before the commit are spilled ones. */
      if
      :: at == 0 -> header = salt
      :: else
      fi
    }
    do
    :: at < SLOTS ->
      atomic {
        if
        :: page == 0 -> page = 1
        :: page == 0 -> page = 2
        :: page == 1 -> page = 2; wrote_both = true
        fi;
        if                      /* 0: more will follow; else the size that it commits */
        :: page == 1 && at < SLOTS - 1 -> size = 0
#ifdef WITH_SHRINK
        :: size = 1
#endif
        :: n_page == 2 || page == 2 -> size = 2
        fi;
        at++;
        slot[at].salt = salt; slot[at].page = page; slot[at].size = size;
        slot[at].sum = txn; slot[at].prev = prev;
        if
        :: slots < at -> slots = at
        :: else
        fi;
      HALF_WAY
        slot[at].data = txn;
        prev = txn;
        if
        :: size == 0
        :: else ->
          state[txn].at[1] = (page == 1 || wrote_both -> txn : state[newest].at[1]);
          state[txn].at[2] = (page == 2 || wrote_both -> txn : state[newest].at[2]);
          if
          :: size == 1 -> state[txn].at[2] = 0
          :: else
          fi;
          break
        fi
      }
#ifdef WITH_ROLLBACK
    :: size == 0 && page != 0 -> break      /* the frames stay, to be overwritten */
#endif
    od;
    if
    :: size == 0 -> atomic { at = 0; prev = 0; page = 0; write_lock = false }
    :: else ->
#ifdef WITH_CUT
      /* `walLimitSize` (journal_size_limit): what lies behind this commit may be cut off. */
      atomic {
        if
        :: slots > at -> cut(at)
        :: slots > at + 1 -> cut(at + 1)
        :: true
        fi
      }
#endif
      /* `walIndexWriteHdr`: only now other connections see the commit. */
      atomic {
        if
        :: mx_frame = at; last_sum = txn; n_page = size; newest = txn
#ifdef WITH_GHOST
        /* Killed before that, or its fsync failed: the others go on as if there were no commit. */
        :: !has_ghost -> has_ghost = true
#endif
        fi;
        size = 0; at = 0; prev = 0; page = 0; write_lock = false
      }
    fi
  :: else -> break
  od
}

inline begin_backfill(p) {
  from = 0;
  for (i : n_backfill + 1 .. safe) {
    if
    :: slot[i].page == p -> from = slot[i].data
    :: else
    fi
  }
  i = 0;
  if
  :: from != 0 && p <= size -> main.at[p] = TORN
  :: else -> from = 0
  fi
}

inline end_backfill(p) {
  if
  :: from != 0 -> main.at[p] = from; from = 0
  :: else
  fi
}

/* `walCheckpoint`: the newest of frames n_backfill+1..safe into main, page by page. */
proctype Checkpointer() provided (!over) {
  byte safe, size, from, i;
  do
  :: atomic {
      mx_frame > n_backfill -> ckpt_lock = true; safe = mx_frame; size = n_page;
      begin_backfill(1);
      HALF_WAY
      end_backfill(1)
    }
    atomic {
      begin_backfill(2);
      HALF_WAY
      end_backfill(2);
      if
      :: size == 1 && safe == mx_frame -> main.at[2] = 0
      :: else
      fi;
      n_backfill = safe; ckpt_lock = false; safe = 0; size = 0
    }
#ifdef WITH_TRUNCATE
  /* TRUNCATE: `walRestartHdr`, then the file is emptied, all under the write lock. */
  :: atomic { mx_frame > 0 && n_backfill == mx_frame && !write_lock ->
      write_lock = true; salt++; mx_frame = 0; n_backfill = 0; last_sum = 0 }
    atomic { cut(0); header = 0; write_lock = false; i = 0 }
#endif
#ifdef WITH_UNLINK
  /* `sqlite3WalClose`: the last owner unlinks -wal. The next one makes a new file, commits to it and
     checkpoints it. Nobody looks into that file: to see that it is another one is enough. */
  :: atomic { n_backfill == mx_frame && !write_lock -> write_lock = true; is_unlinked = true }
    atomic { state[LAST].at[1] = LAST; state[LAST].at[2] = LAST; newest = LAST }
    main.at[1] = LAST;
    main.at[2] = LAST;
    break
#endif
  od
}

inline begin_with_frame(i, in_page, in_size) {
  slot[i].salt = salt; slot[i].page = in_page; slot[i].size = in_size;
  slot[i].sum = 2; slot[i].data = 2; slot[i].prev = (i == 1 -> 0 : 2);
  state[2].at[in_page] = 2;
  mx_frame = i; last_sum = 2; newest = 2
}

/* A generation in which nothing has been committed yet, or transaction 2. The slots behind hold what
   an older generation left there, or the file ends. */
inline begin_owners() {
  main.at[1] = 1; main.at[2] = 1;
  state[1].at[1] = 1; state[1].at[2] = 1;
#ifndef WITH_EMPTY_SLOTS
  for (i : 1 .. SLOTS) { slot[i].salt = OLDEST }
  slots = SLOTS;
#endif
  if
  :: true
  :: state[2].at[2] = 1; begin_with_frame(1, 1, 2)
  :: begin_with_frame(1, 1, 0); begin_with_frame(2, 2, 2)
  fi;
#ifdef WITH_EMPTY_SLOTS
  slots = mx_frame;
#endif
  run Writer(); run Checkpointer()
}

/* One committed state, no older than the one of the start. */
inline check_copy(page1, page2, started) {
  d_step {
    found = false;
    for (i : started .. LAST) {
      if
      :: page1 != 0 && state[i].at[1] == page1 && state[i].at[2] == page2 -> found = true
      :: else
      fi
    }
    assert(found)
  }
}
