#include "sqlbk/copy/copy_database.hpp"

#include "sqlbk/copy/builtin.hpp"

namespace sqlbk::copy {

Report copy_database(const std::string& source, const std::string& destination,
                     const CopyOptions& options, const TargetOptions& target) {
  Registry registry;
  register_builtin_strategies(registry);
  CopyRequest request;
  request.source = source;
  request.destination = destination;
  request.copy = options;
  request.target = target;
  if (options.form == ImageForm::main_and_wal) request.journal_mode = JournalMode::keep;
  return Pipeline::build(std::move(request), registry).run();
}

}  // namespace sqlbk::copy
