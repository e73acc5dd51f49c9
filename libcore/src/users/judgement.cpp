#include "users/judgement.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "sqlbk/core/error.hpp"

namespace sqlbk::users {
namespace {

using Finding = std::optional<UsersAnswer>;

constexpr std::string_view kHintOtherName =
    "copy it under the name by which its owner has opened it";
// What it leaves behind is of the file that it had open, and would be mixed with this one.
constexpr std::string_view kHintCloseOlder =
    "close the program that uses the older file, and delete the -wal, -shm and -journal files that "
    "it leaves";
constexpr std::string_view kHintOtherLock = "let that program end its transaction, and unlock";

std::string name_of(const Observation& seen, std::string_view suffix = "") {
  return quoted(seen.main_path + std::string(suffix));
}

std::string name_of(const Process& process) {
  const std::string number = "process " + std::to_string(process.pid);
  return process.program.empty() ? number : number + " (" + process.program + ")";
}

Finding others(std::string sentence, std::string_view hint) {
  return UsersAnswer{
      .verdict = UsersVerdict::others, .sentence = std::move(sentence), .hint = std::string(hint)};
}

bool holds_kernel_lock(const Process& process) {
  return process.holds_shared || process.holds_writer || process.holds_exclusive ||
         process.holds_index;
}

// --- Contradictions of one process.

Finding has_sidecars_elsewhere(const Observation& seen, const Process& process) {
  if (process.other_sidecars.empty()) return {};
  if (!holds_kernel_lock(process) && !process.writes_main) return {};
  return others(name_of(process) + " uses " + name_of(seen) + " with " +
                    quoted(process.other_sidecars.front()),
                kHintOtherName);
}

// Every connection in WAL mode holds SHARED on main as long as it lives.
Finding is_attached_without_main(const Observation& seen, const Process& process) {
  if (!process.holds_index || process.holds_shared) return {};
  return others(name_of(process) + " uses " + name_of(seen, "-shm") +
                    ", but another main file than " + name_of(seen) +
                    ", which took that name later",
                kHintCloseOlder);
}

// A reader that may not write the -shm takes no lock there (walBeginShmUnreliable()), but has it
// open.
bool is_reader_without_rights(const Process& process) {
  return process.is_visible && process.has_shm && process.has_wal;
}

Finding not_with_these(const Observation& seen, const Process& process) {
  return others(name_of(process) + " has " + name_of(seen) +
                    " open, but not with the -wal and -shm files beside it",
                kHintOtherName);
}

Finding is_not_attached(const Observation& seen, const Process& process) {
  if (!process.holds_shared || process.holds_index || process.holds_exclusive) return {};
  if (seen.mode == Mode::rollback || is_reader_without_rights(process)) return {};
  const bool is_elsewhere = seen.mode == Mode::wal || !process.stray_sidecars.empty() ||
                            (!process.is_visible && seen.names > 1);
  return is_elsewhere ? not_with_these(seen, process) : Finding();
}

Finding is_exclusive_without_wal(const Observation& seen, const Process& process) {
  if (!process.holds_exclusive || !process.is_visible) return {};
  if (seen.mode != Mode::wal || !seen.has_wal || process.has_wal) return {};
  return others(name_of(process) + " holds " + name_of(seen) + " exclusively, but does not have " +
                    name_of(seen, "-wal") + " open",
                kHintOtherName);
}

Finding journals_elsewhere(const Observation& seen, const Process& process) {
  const bool is_writer = process.holds_writer || process.holds_exclusive;
  if (!is_writer || !process.is_visible || seen.mode == Mode::wal) return {};
  const bool is_anothers = seen.journal_is_active && !process.has_journal;
  if (!is_anothers && process.stray_sidecars.empty()) return {};
  return others(name_of(process) + " writes to " + name_of(seen) + ", but not with the journal " +
                    name_of(seen, "-journal"),
                kHintOtherName);
}

// Its main file has lost this name; what it keeps in the sidecar belongs to that one.
Finding writes_sidecar_of_another_main(const Observation& seen, const Process& process) {
  if (!process.is_visible || process.has_main) return {};
  const bool has_wal = process.writes_wal && seen.wal_holds_something;
  const bool has_journal = process.writes_journal && seen.journal_is_active;
  if (!has_wal && !has_journal) return {};
  return others(name_of(process) + " writes to " + name_of(seen, has_wal ? "-wal" : "-journal") +
                    ", but to another main file than " + name_of(seen) +
                    ", which took that name later",
                kHintCloseOlder);
}

// Its transactions are where every reader looks, however it locks.
bool shows_its_transactions(const Observation& seen, const Process& process) {
  return (seen.journal_is_active && process.has_journal) ||
         (seen.wal_holds_something && process.has_wal);
}

Finding locks_by_flock(const Observation& seen, const Process& process) {
  if (process.flocks.empty() || holds_kernel_lock(process)) return {};
  if (shows_its_transactions(seen, process)) return {};
  return others(name_of(process) + " has locked " + name_of(seen) +
                    " with flock(2), and nothing shows whether a transaction is under way",
                kHintOtherLock);
}

Finding locks_by_file(const Observation& seen, const Process& process) {
  if (!seen.lock_file || !seen.lock_file->pid || !seen.lock_file->is_alive) return {};
  const bool is_named = process.pid == *seen.lock_file->pid;
  if (!process.has_main || holds_kernel_lock(process)) return {};
  if (!is_named && !process.writes_main) return {};
  if (shows_its_transactions(seen, process)) return {};
  return others("the lock file " + quoted(seen.lock_file->path) + " names process " +
                    std::to_string(*seen.lock_file->pid) + ", which is alive, and " +
                    name_of(process) + " has " + name_of(seen) +
                    " open without a lock that the kernel knows",
                kHintOtherLock);
}

constexpr std::array kOfOneProcess{
    has_sidecars_elsewhere, is_attached_without_main,
    is_not_attached,        is_exclusive_without_wal,
    journals_elsewhere,     writes_sidecar_of_another_main,
    locks_by_flock,         locks_by_file,
};

// --- Contradictions of locks that no process could be named for.

Finding index_without_main(const Observation& seen) {
  if (!seen.index || seen.shared || seen.exclusive) return {};
  return others("a program uses " + name_of(seen, "-shm") + ", but another main file than " +
                    name_of(seen) + ", which took that name later",
                kHintCloseOlder);
}

Finding main_without_index(const Observation& seen) {
  if (seen.mode != Mode::wal || !seen.shared || seen.exclusive) return {};
  const bool nothing_is_attached =
      !seen.index || (seen.sees_all_locks && seen.unattributed_index == 0);
  if (seen.unattributed_shared == 0 || !nothing_is_attached) return {};
  return others(
      "a program has " + name_of(seen) + " open in WAL mode, but not with the -shm file beside it",
      kHintOtherName);
}

Finding contradiction_in(const Observation& seen) {
  for (const Process& process : seen.processes) {
    for (const auto& check : kOfOneProcess) {
      if (Finding found = check(seen, process)) return found;
    }
  }
  if (Finding found = index_without_main(seen)) return found;
  return main_without_index(seen);
}

// --- What cannot be seen.

const Process* holder_of_exclusive(const Observation& seen) {
  const auto found = std::ranges::find_if(seen.processes, &Process::holds_exclusive);
  return found == seen.processes.end() ? nullptr : &*found;
}

std::string why_not_visible(const Observation& seen, const std::optional<LockHolder>& holder) {
  if (holder && holder->pid > 0) {
    return "process " + std::to_string(holder->pid) +
           ", which holds a lock on it, may not be "
           "looked into by this user";
  }
  if (holder && holder->pid < 0) {
    return "a lock on it belongs to an open file and names no process";
  }
  if (!seen.is_initial_namespace) {
    return "sqlbk runs in a process-id namespace of its own (a container), to which the programs "
           "outside are invisible";
  }
  return "a lock on it names no process that can be looked into";
}

// An assumption, and why nothing tells whether it is right.
std::string unseen(const std::string& assumption, const std::string& reason) {
  return assumption + ", which cannot be seen: " + reason;
}

std::string these_files(const Observation& seen) {
  return "every program that uses " + name_of(seen) +
         (seen.mode == Mode::wal ? " uses the -wal and -shm beside it"
                                 : " keeps its journal beside it");
}

std::string exclusive_unseen(const Observation& seen) {
  if (!seen.exclusive) return "";
  const Process* holder = holder_of_exclusive(seen);
  if (holder != nullptr && holder->is_visible) return "";
  const std::string sidecar = name_of(seen, seen.mode == Mode::wal ? "-wal" : "-journal");
  return unseen("the program that holds " + name_of(seen) + " exclusively writes to " + sidecar,
                why_not_visible(seen, seen.exclusive));
}

std::string writer_unseen(const Observation& seen) {
  if (!seen.writer || seen.exclusive || seen.mode == Mode::wal || !seen.journal_is_active)
    return "";
  const bool is_seen = std::ranges::any_of(seen.processes, [](const Process& process) {
    return process.holds_writer && process.is_visible;
  });
  if (is_seen) return "";
  return unseen(
      "the program that writes to " + name_of(seen) + " journals to " + name_of(seen, "-journal"),
      why_not_visible(seen, seen.writer));
}

std::string holders_unseen(const Observation& seen) {
  if (!seen.shared || seen.exclusive) return "";
  const bool is_unattributed = seen.unattributed_shared > 0 || seen.unattributed_index > 0;
  const auto invisible = std::ranges::find_if(seen.processes, [&](const Process& process) {
    return seen.mode == Mode::unknown && process.holds_shared && !process.holds_index &&
           !process.is_visible;
  });
  const bool all_are_seen = !needs_all_holders(seen) || seen.sees_all_locks;
  if (!is_unattributed && invisible == seen.processes.end() && all_are_seen) return "";
  std::optional<LockHolder> holder;
  if (invisible != seen.processes.end()) holder = LockHolder{.pid = invisible->pid};
  if (is_unattributed && seen.is_initial_namespace) holder = LockHolder{.pid = -1};
  return unseen(these_files(seen), why_not_visible(seen, holder));
}

// Without a lock, a WAL or an active journal is that of a dead owner, or of one that is not seen:
// its main file has lost its name, or its locks are none that this kernel knows.
std::string owner_of_sidecar_unseen(const Observation& seen) {
  if (seen.is_initial_namespace || !is_unlocked(seen)) return "";
  if (!seen.wal_holds_something && !seen.journal_is_active) return "";
  return unseen("no program writes to " +
                    name_of(seen, seen.wal_holds_something ? "-wal" : "-journal") +
                    " without a lock on " + name_of(seen),
                why_not_visible(seen, {}));
}

std::string served_by(const Observation& seen) {
  const auto server = std::ranges::find_if(seen.processes, [](const Process& process) {
    return process.serves_files && process.has_main;
  });
  if (server == seen.processes.end()) return "";
  return unseen(name_of(*server) + " has written back all that programs wrote to " + name_of(seen),
                "it serves a file system (FUSE) and has that file open");
}

std::string flock_unseen(const Observation& seen) {
  const bool is_seen = std::ranges::any_of(
      seen.processes, [](const Process& process) { return !process.flocks.empty(); });
  if (!seen.unseen.is_flocked || is_seen) return "";
  return unseen("no transaction is under way on " + name_of(seen),
                "a program that cannot be looked into has locked it with flock(2)");
}

std::string lock_file_unclear(const Observation& seen) {
  if (!seen.lock_file) return "";
  const bool is_stale = seen.lock_file->pid && !seen.lock_file->is_alive;
  const bool is_open = std::ranges::any_of(seen.processes, [&](const Process& process) {
    return process.writes_main && !holds_kernel_lock(process) &&
           !shows_its_transactions(seen, process);
  });
  const bool is_named = seen.lock_file->pid && seen.lock_file->is_alive;
  // A process outside has written its number there.
  const bool may_be_outside = !seen.is_initial_namespace && !is_named;
  const bool names_unseen =
      is_named && std::ranges::none_of(seen.processes, [&](const Process& process) {
        return process.pid == *seen.lock_file->pid && process.is_visible;
      });
  if ((is_stale || !is_open) && !names_unseen && !may_be_outside) return "";
  return unseen("no transaction is under way on " + name_of(seen),
                "a lock file lies beside it, " + quoted(seen.lock_file->path) +
                    ", and a program without a lock that the kernel knows may be its owner");
}

std::string other_names(const Observation& seen) {
  if (seen.names <= 1) return "";
  return unseen("no journal and no WAL lies beside another name of " + name_of(seen),
                "it has " + std::to_string(seen.names) + " names (hard links)");
}

constexpr std::array kUnseen{
    exclusive_unseen, writer_unseen, holders_unseen,    owner_of_sidecar_unseen,
    served_by,        flock_unseen,  lock_file_unclear, other_names,
};

}  // namespace

UsersAnswer judge(const Observation& seen) {
  if (Finding found = contradiction_in(seen)) return *found;
  UsersAnswer answer;
  for (const auto& what_is_unseen : kUnseen) {
    const std::string sentence = what_is_unseen(seen);
    if (sentence.empty()) continue;
    answer.verdict = UsersVerdict::unknown;
    answer.sentence += (answer.sentence.empty() ? "" : "; and ") + sentence;
  }
  return answer;
}

}  // namespace sqlbk::users
