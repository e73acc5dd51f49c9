// VACUUM INTO a second file of the staging directory, which then takes the place of the first.
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include "check_result.hpp"
#include "image_connection.hpp"
#include "page_checksums.hpp"
#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/header_mode.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

void remove_if_there(const std::string& path) {
  if (sys().unlinkat(AT_FDCWD, path.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error("remove", path, errno);
  }
}

// A file that is removed, with what SQLite may have left beside it, unless it was renamed.
class ScratchFile {
 public:
  explicit ScratchFile(std::string path) : path_(std::move(path)) {}
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
      static_cast<void>(sys().unlinkat(AT_FDCWD, (path_ + suffix).c_str(), 0));
    }
  }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

// Writes the pages into main, which keeps its checksums if it has any.
void write_with_checksums(const std::string& from, StagedImage& image, RunContext& context) {
  const UniqueFd fd = open_at(AT_FDCWD, from, O_RDONLY, 0, from);
  const CommittedView view = CommittedView::of_main({fd.get(), from});
  write_over_main(view, image.main_fd(), image.main_path(), context);
}

class VacuumIntoStep final : public PostStep {
 public:
  VacuumIntoStep(std::string name, std::uint32_t page_size)
      : name_(std::move(name)), page_size_(page_size) {}

  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override {
    return {.changes_image = true, .reads_content = true};
  }

  StepReport run(StagedImage& image, RunContext& context) override {
    context.tick();
    const format::ParsedDbHeader before = header_of(image);
    image.close_files();
    const bool may_have_checksums = may_have_page_checksums(before);  // VACUUM makes none
    if (may_have_checksums && page_size_ != 0 && page_size_ != before->page_size_bytes) {
      throw Error(Errc::unsuitable, "unable to change the page size of " +
                                        quoted(image.main_path()) +
                                        ": its pages may carry checksums of the cksumvfs extension")
          .with_path(image.main_path())
          .with_hint("vacuum_into without a page size");
    }
    const ScratchFile compact(image.directory() + "/compact.db");
    StepReport report =
        run_check(name_, context, [&](StepReport&) { vacuum(image, compact, context); });
    remove_leftovers(image);
    if (report.verdict != StepVerdict::ok) return report;
    if (may_have_checksums) {
      image.close_files();
      image.discard_wal();
      write_with_checksums(compact.path(), image, context);
    } else {
      replace_main(image, compact.path());
    }
    image.wal_prefix.reset();
    image.folded = true;
    // VACUUM INTO always says rollback journal; the copy keeps what it said.
    if (before) set_header_mode(image.main_fd(), image.main_path(), before->says_wal());
    image.close_files();
    return report;
  }

 private:
  void vacuum(const StagedImage& image, const ScratchFile& compact, RunContext& context) const {
    // An immutable database counts as a temporary one, whose page size VACUUM does not change.
    sqlite::Connection connection =
        page_size_ != 0 ? open_for_writing(image, context) : open_for_reading(image, context);
    connection.disable_checkpoint_on_close();
    connection.execute("PRAGMA synchronous=OFF");  // the pipeline syncs once, at the end
    if (page_size_ != 0) connection.execute("PRAGMA page_size=" + std::to_string(page_size_));
    sqlite::Statement statement(connection, "VACUUM INTO ?1");
    // The connection understands URIs: a relative path must not look like one.
    const bool is_absolute = compact.path().starts_with('/');
    statement.bind(1, std::string_view(is_absolute ? compact.path() : "./" + compact.path()));
    try {
      while (statement.step()) {
      }
    } catch (Error& error) {
      // Rows that break a UNIQUE or NOT NULL of their own table.
      if ((error.sqlite_extended_code() & 0xff) == SQLITE_CONSTRAINT)
        error.with_code(Errc::damaged);
      throw;
    }
  }

  static void replace_main(StagedImage& image, const std::string& compact) {
    if (!stat_path(compact)) return;  // of an empty file nothing is made
    image.discard_wal();
    remove_if_there(image.main_path() + "-shm");
    if (sys().renameat2(AT_FDCWD, compact.c_str(), AT_FDCWD, image.main_path().c_str(), 0) != 0) {
      throw system_error("replace", image.main_path(), errno);
    }
  }

  std::string name_;
  std::uint32_t page_size_;  // 0: as it is
};

}  // namespace

std::unique_ptr<PostStep> make_vacuum_into(const std::string& argument) {
  if (argument.empty()) return std::make_unique<VacuumIntoStep>("vacuum_into", 0);
  std::uint32_t size = 0;
  const char* const end = argument.data() + argument.size();
  const auto [rest, code] = std::from_chars(argument.data(), end, size);
  const bool is_power_of_two = size != 0 && (size & (size - 1)) == 0;
  if (code != std::errc() || rest != end || !is_power_of_two || size < 512 || size > 65536) {
    throw Error(Errc::usage, "the page size " + quoted(argument) + " of vacuum_into is not valid")
        .with_hint("a power of two from 512 to 65536, or vacuum_into without a page size");
  }
  return std::make_unique<VacuumIntoStep>("vacuum_into=" + argument, size);
}

}  // namespace sqlbk::checkpoint
