// What uses a database's main file, and does it use exactly the sidecars beside it?
//
// SQLite finds -wal, -shm and -journal by the name under which it opened main, and goes on with the
// files that it has. So a program can use this main file with sidecars that lie elsewhere (a hard
// link, a bind mount, an -shm that was removed), or these sidecars with a main file that has lost
// its name (one that was renamed over). Locks and open files tell, as far as they can be seen:
// docs/consistency.md, "The right files". Nothing is locked, opened or written for it.
//
// Thread-safety: as LiveFiles, one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/locks.hpp"

namespace sqlbk {

// From the best to the worst.
enum class UsersVerdict {
  these,    // every program that uses main uses these sidecars
  unknown,  // nothing contradicts that, but not all can be seen from here
  others,   // something uses main with other sidecars, or these sidecars with another main file
};

struct UsersAnswer {
  UsersVerdict verdict = UsersVerdict::these;
  // `unknown`: what is assumed, and why it cannot be seen. `others`: the contradiction. One
  // sentence, which starts lowercase and has no full stop; empty for `these`.
  std::string sentence;
  // `others`: what the user can do; empty where the contradiction is that main was replaced
  // meanwhile, which another attempt mends.
  std::string hint;
};

// Polls the users of a source, at the beginning and at the end of each attempt to copy it.
//
// A contradiction counts where it is seen again and again for some milliseconds: a program that is
// just opening or closing the database looks like one for less. The answer at the end holds for the
// attempt: it is the worse of both.
class DatabaseUsers {
 public:
  // Begins to look for processes, on a thread of its own, where the first poll needs that.
  // REQUIRES: `files` outlives this.
  explicit DatabaseUsers(LiveFiles& files);
  DatabaseUsers(const DatabaseUsers&) = delete;
  DatabaseUsers& operator=(const DatabaseUsers&) = delete;
  ~DatabaseUsers();

  // REQUIRES of both: no lock of this run and no SQLite connection of it rests on the source.
  // Both refresh the sidecars of `files`, and throw as LiveFiles::refresh().
  //
  // Looking for all processes takes a millisecond or more, as long as a small copy. For a small
  // source the answer at the start is therefore of what locks and files show alone, the search goes
  // on while the attempt is made, and what it has found is in the answer at the end.
  UsersAnswer at_start();
  // `others`, too, where main is another file by then.
  UsersAnswer at_end();

 private:
  class Poll;
  std::unique_ptr<Poll> poll_;
};

// Whether the process that holds a write lock on main has the -journal beside it open.
enum class WriterJournal {
  open,      // it journals to this file: for journal_mode OFF and MEMORY SQLite closes it, or, in
             // some versions, goes on writing to it
  not_open,  // it keeps its journal elsewhere, or none, or has not begun to write
  unseen,    // another user's process, another process-id namespace, or a lock of an open file
};
WriterJournal journal_of_writer(const LiveFiles& files, const LockHolder& writer);

}  // namespace sqlbk
