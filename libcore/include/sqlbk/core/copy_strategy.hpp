// How one consistent state of the source comes into the staged image. For authors of strategies;
// users of sqlbk want pipeline.hpp. Thread-safety: one thread at a time for each object.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/copy_options.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/evidence.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk {

// What of the source an attempt writes into the image, before a WAL is applied to it.
enum class StagedFiles {
  unknown,       // nothing is said of it
  main,          // with its holes
  main_and_wal,  // with the -wal, as far as it counts, and a hot journal
  pages,         // every page of the committed state
};

// What a strategy promises and does; printed by `sqlbk list`, held by the conformance suite.
struct StrategyTraits {
  bool takes_locks = false;          // SQLite's read locks on the source
  bool opens_with_sqlite = false;    // a SQLite connection to the source
  bool handles_live_writer = false;  // a copy succeeds while others write
  bool reads_content = false;        // needs to understand pages: refused for encrypted databases
  bool can_deliver_wal = false;      // main and -wal unmerged
  bool by_sqlite_alone = false;      // reads the source through SQLite, where nothing else will do
  bool is_mover = false;             // a mover alone, without a promise about live sources
  bool may_share_blocks = false;     // the image may take no space, where the file system can share
  StagedFiles stages = StagedFiles::unknown;
};

// SQLite delivers one file, and only of what it can read.
bool works_by_sqlite_alone(const StrategyTraits& traits, const CopyOptions& options) noexcept;

struct Suitability {
  bool suitable = true;
  std::string reason;              // why not; or why it was chosen
  std::string operation = "copy";  // what cannot be done for that reason
  std::string hint = {};           // "": that of the code
  static Suitability no(std::string reason, std::string operation = "copy", std::string hint = {}) {
    return {false, std::move(reason), std::move(operation), std::move(hint)};
  }
};

// Throws unsuitable where the answer is no: "unable to OPERATION 'PATH': REASON".
void require_suitable(const Suitability& answer, const std::string& path);

// How long one strategy is tried again before it gives up.
struct AttemptPolicy {
  unsigned attempts = 1;
  // A source that is locked is tried again for so long, and these attempts do not count.
  std::chrono::milliseconds busy_patience{0};
};

class CopyStrategy;

// A strategy to try, and why.
struct Choice {
  CopyStrategy* strategy;  // owned by the chooser
  std::string reason;      // "": it was asked for by name
  AttemptPolicy policy;
};

// What --strategy names: one strategy, or a rule that chooses among several by what it finds.
class StrategyChooser {
 public:
  virtual ~StrategyChooser();

  virtual std::string_view name() const noexcept = 0;  // the spec, as "snapshot+range"
  virtual std::string_view summary() const noexcept = 0;
  virtual StrategyTraits traits() const noexcept = 0;

  // Whether it could copy a source in this state; no side effects.
  virtual Suitability probe(const SourceFacts& facts) const = 0;

  // What to try on such a source, in this order until one succeeds. At least one.
  virtual std::vector<Choice> choose(const SourceFacts& facts, const CopyOptions& options) = 0;
  // How often all of these are tried, each time for a source that is probed anew. At least 1.
  virtual unsigned rounds(const CopyOptions& options) const;
  // Copies the bytes as they lie there, where nothing could be proven and CopyOptions allow that;
  // nullptr: this one does not. Owned by the chooser.
  virtual CopyStrategy* unproven();

  // Throws what the attempts of a run would end with, as far as that can be known without one.
  // Returns what each copy of such a source would rest on. For --dry-run. No side effects.
  virtual std::vector<Assumption> preview(LiveFiles& files, const SourceFacts& facts,
                                          const CopyOptions& options, RunContext& context) const;
  // What a run would do and why, one line each, for --dry-run. No side effects.
  virtual std::vector<std::string> explain(const SourceFacts& facts) const;
};

// What an attempt that failed says about the next one.
struct NextAttempt {
  bool may_succeed = true;  // false: another one would come no nearer
  std::string hint = {};    // what would help, should this have been the last; "": the error's own
};

class CopyStrategy : public StrategyChooser {
 public:
  // Makes one attempt: brings one committed state of the source, no older than the call, into
  // `image`, and returns how that is known. Throws Error where it cannot; errc_info() says whether
  // another attempt may succeed. The image may then hold partial bytes.
  virtual Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                           RunContext& context) = 0;

  virtual AttemptPolicy policy(const CopyOptions& options) const;
  // Called after the last attempt of a series, on the thread of the run: what its attempts have
  // learnt goes. No descriptor may outlive it: the run's table of them does not (host_thread.hpp).
  virtual void end_series() noexcept;
  // Called after an attempt that failed of `error`: leaves in `image` only what the next one uses.
  virtual NextAttempt after_failure(const Error& error, StagedImage& image);

  // Itself.
  std::vector<Choice> choose(const SourceFacts& facts, const CopyOptions& options) final;
};

}  // namespace sqlbk
