// How one consistent state of the source comes into the staged image. For authors of strategies;
// users of sqlbk want pipeline.hpp. Thread-safety: one thread at a time for each object.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_target.hpp"

namespace sqlbk {

// What a strategy promises and does; printed by `sqlbk list`, held by the conformance suite.
struct StrategyTraits {
  bool takes_locks = false;          // SQLite's read locks on the source
  bool opens_with_sqlite = false;    // a SQLite connection to the source
  bool handles_live_writer = false;  // a copy succeeds while others write
  bool reads_content = false;        // needs to understand pages: refused for encrypted databases
  bool can_deliver_wal = false;      // main and -wal unmerged
  bool is_mover = false;             // a mover alone, without a promise about live sources
};

struct Suitability {
  bool suitable = true;
  std::string reason;  // why not; or why it was chosen
  static Suitability no(std::string reason) { return {false, std::move(reason)}; }
};

class CopyStrategy {
 public:
  virtual ~CopyStrategy();

  virtual std::string_view name() const noexcept = 0;  // the spec, as "snapshot+range"
  virtual std::string_view summary() const noexcept = 0;
  virtual StrategyTraits traits() const noexcept = 0;

  // Whether it could copy a source in this state; no side effects.
  virtual Suitability probe(const SourceFacts& facts) const = 0;

  // Brings one committed state of the source, no older than the call, into `target`'s image, and
  // says in `report` (verdict, assumptions, facts, strategy, attempts) how that is known.
  // On failure throws Error; the image may hold partial bytes, which the caller discards.
  virtual void copy(LiveFiles& files, StagedTarget& target, RunContext& context,
                    Report& report) = 0;

  // What copy() would do and why, one line each, for --dry-run. No side effects.
  virtual std::vector<std::string> explain(const SourceFacts& facts) const;
};

}  // namespace sqlbk
