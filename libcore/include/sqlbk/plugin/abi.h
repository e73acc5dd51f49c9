/* The binary interface between sqlbk and its plug-ins: plain C99, the only interface of sqlbk that
 * stays binary compatible. docs/plugins.md shows how to write a plug-in in ten minutes.
 *
 * A plug-in is a shared library that exports one function, sqlbk_plugin_entry_v1(), and brings
 *   movers      bytes of one open file into another. sqlbk makes a bare strategy NAME of each, and
 *               one of every wrapper, as snapshot+NAME: the wrapper makes the promise, the mover
 *               only moves bytes
 *   post-steps  work on the staged copy before it is published: checks and conversions
 * It includes this file, links to nothing of sqlbk, and never learns the path of a source.
 *
 * Growth. Every structure begins with `size`, the bytes of it that its maker knows: set it to
 * sizeof. Later versions of this file only add members at the end; a member is there if `size`
 * reaches behind it. SQLBK_PLUGIN_ABI changes only when that is not enough, and the name of the
 * exported function with it.
 *
 * Ownership. What the entry function returns, and everything that it points to, belongs to the
 * plug-in, must not change, and must live as long as the process: a plug-in is never unloaded.
 * What a call receives belongs to sqlbk and is valid during that call only.
 *
 * Threads. sqlbk calls a plug-in from one thread for each run, but several runs in one process may
 * call the same function at the same time. That thread may have a file descriptor table of its
 * own: descriptors are numbers with a meaning in the call's thread, and in threads that the call
 * itself starts, only. So open, use and close descriptors within a call, and start helper threads
 * within a call and join them before it returns. The functions of the host may be called from
 * the call's own thread only.
 *
 * Failure. A call reports failure by its answer. It must not exit, longjmp out or throw; a C++
 * exception that leaves it all the same becomes an error of the run. sqlbk checks what it can
 * (docs/plugins.md lists it); a broken promise ends the run with nothing published.
 */
#ifndef SQLBK_PLUGIN_ABI_H
#define SQLBK_PLUGIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For sqlbk_plugin.abi. */
#define SQLBK_PLUGIN_ABI 1u

/* Before the entry function's definition, so that -fvisibility=hidden leaves it visible. */
#if defined(__GNUC__)
#define SQLBK_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define SQLBK_PLUGIN_EXPORT
#endif

/* For sqlbk_host.log: how much a message matters. Users see warnings and errors unless they ask
 * for more. */
enum { SQLBK_LOG_ERROR = 0, SQLBK_LOG_WARNING = 1, SQLBK_LOG_INFO = 2, SQLBK_LOG_DEBUG = 3 };

/* What sqlbk offers to a call. None of the functions fails or throws. */
struct sqlbk_host {
  uint32_t size; /* set by sqlbk */
  uint32_t abi;  /* of the sqlbk that calls: SQLBK_PLUGIN_ABI */

  /* Opaque; sqlbk's own. */
  void* context;

  /* Counts `bytes` more as done, for the progress display, and asks whether to go on. 0: go on.
   * Anything else: stop, the answer does not matter any more; the user has interrupted, the
   * deadline has passed, or an owner of the source waits for the lock that protects the copy.
   * REQUIRED at least every 8 MiB and every 20 ms of work: between two ticks nobody can stop the
   * run. Movers pass the bytes moved since the last tick, steps 0. Cheap. */
  int32_t (*tick)(const struct sqlbk_host* host, uint64_t bytes);

  /* Says something to the user; `level` is one of SQLBK_LOG_*. `message` is one line of UTF-8
   * without a line break, and is copied. */
  void (*log)(const struct sqlbk_host* host, uint32_t level, const char* message);

  /* In a step: adds a line to its report: what is damaged, why it was skipped or not checked, or
   * what was counted. In sqlbk_step.check_argument and the entry function: why it refuses. In a
   * mover: why it fails. `text` is as `message` above, and is copied. */
  void (*finding)(const struct sqlbk_host* host, const char* text);
};

/* ---- movers ---------------------------------------------------------------------------------- */

/* One range of one open file. */
struct sqlbk_move_job {
  uint32_t size; /* set by sqlbk */

  /* Regular files; `in_fd` is open for reading only, `out_fd` for reading and writing. Borrowed:
   * never close, dup or lock them, nor open their files anew, through /proc for example. POSIX
   * drops all locks that a process has on a file when it closes any descriptor of it, and these
   * locks are what makes the copy consistent. Their file positions mean nothing: use pread(2),
   * pwrite(2) and the like. */
  int32_t in_fd;
  int32_t out_fd;

  /* The same range in both files; `length_bytes` is at least 1. Others may write to the input
   * meanwhile, and it may get longer or shorter: never trust its size, and expect SIGBUS where
   * you map it. */
  uint64_t offset_bytes;
  uint64_t length_bytes;
};

/* What came of it; zeroed by sqlbk, filled in by the mover. */
struct sqlbk_moved {
  uint32_t size; /* set by sqlbk */

  /* With SQLBK_MOVE_FAILED: the errno of the call that failed. 0: none to tell. */
  int32_t os_errno;

  /* With SQLBK_MOVE_DONE: bytes of the range, from its begin, that now stand in the output. Fewer
   * than asked for: sqlbk asks for the rest, unless the input ends there; so 0 means that the
   * input ends at offset_bytes or before. With all other answers 0, or not looked at. */
  uint64_t bytes;
};

/* Answers of sqlbk_mover.move. */
enum {
  /* The bytes that `moved` tells are moved, and nothing was written outside of the range. */
  SQLBK_MOVE_DONE = 0,
  /* This cannot be done with these two files, and nothing was written: another mover may be tried.
   * Not for failures. */
  SQLBK_MOVE_UNSUPPORTED = 1,
  /* Failed, perhaps half-way; `moved->os_errno` and host->finding say why. */
  SQLBK_MOVE_FAILED = 2
};

/* For sqlbk_mover.traits, or-ed. */
enum {
  /* The copy shares its blocks with the source and takes space only when one side is written to:
   * sqlbk does not ask for free space of the whole size before it calls. */
  SQLBK_MOVER_SHARES_EXTENTS = 1
};

struct sqlbk_mover {
  uint32_t size;   /* sizeof(struct sqlbk_mover) */
  uint32_t traits; /* SQLBK_MOVER_*; bits that sqlbk does not know are refused */

  /* What users type: a letter a-z, then up to 31 of a-z, 0-9, '_' and '-'. No other part of sqlbk
   * has it. */
  const char* name;
  /* One line for `sqlbk list`, without a full stop. Not NULL, not empty. */
  const char* summary;

  /* Moves the range of `job`. `self` is this structure, so that several movers can share one
   * function. Answers one of SQLBK_MOVE_*. Blocks until it is done. */
  int32_t (*move)(const struct sqlbk_mover* self, const struct sqlbk_move_job* job,
                  const struct sqlbk_host* host, struct sqlbk_moved* moved);
};

/* ---- post-steps ------------------------------------------------------------------------------ */

/* The staged copy. */
struct sqlbk_step_job {
  uint32_t size; /* set by sqlbk */

  /* The main file of the copy, in a private directory. Nobody has it open. With --keep-wal
   * `main_path`-wal stands beside it, and both together are the database. The name is not that of
   * the destination. A step may open it as it likes, with SQLite too, and has closed it when it
   * returns. It leaves no file in the directory that was not there, and has not replaced the main
   * file by another one (what it has is written in place). Never NULL. */
  const char* main_path;

  /* What stood behind '=' in --then NAME=ARGUMENT; "" where there was none. Never NULL. */
  const char* argument;
};

/* Answers of sqlbk_step.run. All but OK want a reason by host->finding. */
enum {
  SQLBK_STEP_OK = 0,
  /* The copy is not good. The run fails with exit code 3, and nothing is published. */
  SQLBK_STEP_DAMAGED = 1,
  /* Whether it is good cannot be told, or the work failed. The run fails with exit code 1. */
  SQLBK_STEP_COULD_NOT_CHECK = 2,
  /* There was nothing to do for this copy; it is published. */
  SQLBK_STEP_SKIPPED = 3
};

/* For sqlbk_step.traits, or-ed. */
enum {
  /* It writes to the copy. A step without this trait leaves the bytes of main and -wal alone. */
  SQLBK_STEP_CHANGES_IMAGE = 1,
  /* It needs to understand pages: refused for encrypted databases. */
  SQLBK_STEP_READS_CONTENT = 2
};

struct sqlbk_step {
  uint32_t size;   /* sizeof(struct sqlbk_step) */
  uint32_t traits; /* SQLBK_STEP_CHANGES_IMAGE, SQLBK_STEP_READS_CONTENT; others are refused */

  const char* name;    /* as for movers */
  const char* summary; /* as for movers */
  /* The form of its argument for `sqlbk list`, as "LIMIT" or "fast|slow"; NULL or "": it takes
   * none, and sqlbk refuses one. */
  const char* argument;

  /* Whether it understands `argument` (which may be ""), before any file is touched. 0: yes.
   * Anything else: a usage error, with the reason that host->finding was given. tick() always says
   * to go on. NULL: it understands everything. */
  int32_t (*check_argument)(const struct sqlbk_step* self, const char* argument,
                            const struct sqlbk_host* host);

  /* Does the work. Answers one of SQLBK_STEP_OK, _DAMAGED, _COULD_NOT_CHECK, _SKIPPED. */
  int32_t (*run)(const struct sqlbk_step* self, const struct sqlbk_step_job* job,
                 const struct sqlbk_host* host);
};

/* ---- the plug-in ----------------------------------------------------------------------------- */

struct sqlbk_plugin {
  uint32_t size; /* sizeof(struct sqlbk_plugin) */
  uint32_t abi;  /* SQLBK_PLUGIN_ABI */

  const char* name;    /* for messages: made as the names of movers */
  const char* version; /* the plug-in's own, as "1.0"; not NULL */

  /* Arrays of so many pointers; NULL is allowed where the count is 0. A plug-in without any part
   * is refused. */
  uint32_t mover_count;
  uint32_t step_count;
  const struct sqlbk_mover* const* movers;
  const struct sqlbk_step* const* steps;
};

/* Defined by the plug-in, called by sqlbk once for each time that the plug-in is named; it may be
 * called from several threads. `host` is valid during the call only, and tick() always says to go
 * on. NULL: the plug-in refuses to work here, with the reason that host->finding was given. */
SQLBK_PLUGIN_EXPORT const struct sqlbk_plugin* sqlbk_plugin_entry_v1(const struct sqlbk_host* host);

/* The type and the name of that function, for dlsym(3). */
typedef const struct sqlbk_plugin* (*sqlbk_plugin_entry_v1_fn)(const struct sqlbk_host* host);
#define SQLBK_PLUGIN_ENTRY_NAME "sqlbk_plugin_entry_v1"

#ifdef __cplusplus
}
#endif

#endif /* SQLBK_PLUGIN_ABI_H */
