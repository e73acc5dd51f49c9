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
}

}  // namespace sqlbk::checkpoint
