#include "sqlbk/checkpoint/builtin.hpp"

#include "step/steps.hpp"

namespace sqlbk::checkpoint {

// Every step that a user can name. A new one gets its line here; the conformance suite then tests
// it without being told.
void register_builtin_steps(Registry& registry) {
  registry.add(StepEntry{"checkpoint", "passive|full|restart|truncate",
                         "checkpoints the copy's WAL with SQLite, where it was kept unmerged",
                         make_checkpoint});
  registry.add(StepEntry{"journal_mode", "delete|wal", "sets the journal mode of the copy",
                         make_journal_mode});
  registry.add(StepEntry{"quick_check", "", "PRAGMA quick_check: structure, without the indexes",
                         make_quick_check});
  registry.add(StepEntry{"integrity_check", "",
                         "PRAGMA integrity_check: structure, indexes and constraints",
                         make_integrity_check});
  registry.add(StepEntry{"foreign_key_check", "",
                         "PRAGMA foreign_key_check: rows that refer to rows which are not there",
                         make_foreign_key_check});
  registry.add(
      StepEntry{"vacuum_into", "PAGESIZE",
                "compacts the copy with VACUUM INTO; keeps the page size unless one is given",
                make_vacuum_into});
  registry.add(
      StepEntry{"digest", "file|report",
                "SHA-256 of the copy, published as DEST.sha256 for sha256sum, or only reported",
                make_digest});
}

}  // namespace sqlbk::checkpoint
