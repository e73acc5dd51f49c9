#include "source_copy.hpp"

#include <cerrno>
#include <filesystem>
#include <optional>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/pipeline.hpp"

namespace sqlbk::tool::bench {

void copy_source(const std::string& database, const std::string& destination, SourceForm form,
                 const Registry& registry, const CancelToken& cancel) {
  CopyRequest request;
  request.source = database;
  request.destination = destination;
  if (form == SourceForm::as_it_is) {
    request.copy.form = ImageForm::main_and_wal;
    request.journal_mode = JournalMode::keep;
  }
  Pipeline pipeline = Pipeline::build(std::move(request), registry);
  Progress progress;
  RunContext context(progress, cancel);
  Report report;
  pipeline.run(context, report);
  // A copy has the permissions of its source, but this one is to be written to.
  namespace fs = std::filesystem;
  for (const char* suffix : {"", "-wal"}) {
    if (!fs::exists(destination + suffix)) continue;
    fs::permissions(destination + suffix, fs::perms::owner_read | fs::perms::owner_write,
                    fs::perm_options::add);
  }
}

std::uint64_t source_size_bytes(const std::string& database) {
  const std::optional<FileStat> main = stat_path(database);
  if (!main) {
    throw Error(Errc::source_missing, "unable to find the database " + sqlbk::quoted(database))
        .with_path(database)
        .with_errno(ENOENT);
  }
  const std::optional<FileStat> wal = stat_path(database + "-wal");
  return main->size_bytes + (wal ? wal->size_bytes : 0);
}

}  // namespace sqlbk::tool::bench
