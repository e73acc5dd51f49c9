// A read-only SQLite connection to a live source that does it no harm. Private to libcopy.
//
// It lives on the host's side of the descriptor table (host_thread.hpp), where SQLite shares its
// account of locks with connections that the host program may have to the same file.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "lock_watch.hpp"
#include "ofd_lock.hpp"
#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::copy {

class SourceConnection {
 public:
  // A read transaction on a live source, which really holds SQLite's read locks: BEGIN alone locks
  // nothing. Never waits: throws source_busy. Throws unsuitable where a connection would harm the
  // source (may_connect()) or where SQLite cannot open it without writing. Takes SHARED for itself
  // first, so that no owner can go away, or switch the journal mode, and leave this connection to
  // make sidecars of its own. The transaction is rolled back when another process has waited longer
  // than `lock_budget`, or the run is suspended. `allowance`: as of require_copyable().
  // REQUIRES: `files` outlives it.
  SourceConnection(LiveFiles& files, std::chrono::milliseconds lock_budget,
                   const SourceAllowance& allowance, RunContext& context);
  // On a source that nobody uses, in this mode.
  SourceConnection(const std::string& path, sqlite::OpenMode mode, RunContext& context);
  SourceConnection(const SourceConnection&) = delete;
  SourceConnection& operator=(const SourceConnection&) = delete;
  ~SourceConnection();

  // The source as it was under our SHARED.
  const SourceFacts& facts() const noexcept { return facts_; }
  // Throws source_changed unless the -shm is still the one in which SQLite has locked for us.
  // REQUIRES: a WAL source.
  void require_same_shm(const LiveFiles& files) const;
  // "wal", "delete", …; within the read transaction.
  std::string journal_mode();

  // Runs `work`, which copies, as LockWatch::run().
  template <typename Work>
  auto run(Work work) const {
    return watch_->run(std::move(work));
  }
  // The transaction has lasted until now. To be called when everything was read and checked; throws
  // as LockWatch::check().
  void finish();
  // Ends the transaction and closes; throws if SQLite cannot.
  void close();

  // Runs `work` on the connection, on the host's side. Throws as LockWatch::check().
  void use(const std::function<void(sqlite::Connection&)>& work);
  // Runs `work`, which gives back what rests on the connection, on the host's side in any case.
  void give_back(const std::function<void()>& work);

 private:
  void open(sqlite::OpenMode mode);
  void begin_read();
  void roll_back();

  RunContext& context_;
  std::string path_;
  const RunContext::HostCall on_host_;  // for the thread that watches the locks
  std::mutex mutex_;                    // of the connection, where there is no other side
  std::optional<LockWatch> watch_;
  std::optional<SharedLock> guard_;  // outlives the connection
  SourceFacts facts_;
  std::optional<sqlite::Connection> connection_;
};

// Why a SQLite connection to this source would harm it (leave sidecars, roll back, checkpoint) or
// show a state that nobody vouches for; suitable if not.
Suitability may_connect(const SourceFacts& facts);
// For a source that SQLite may open only while another program has it open.
inline constexpr const char* kHintOpenMeanwhile =
    "open it with the program that owns it, and copy it meanwhile";

}  // namespace sqlbk::copy
