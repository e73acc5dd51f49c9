#include "text_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/obstacles.hpp"
#include "sqlbk/core/staged_target.hpp"
#include "sqlbk/core/sys.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/journal.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::tool {
namespace {

constexpr const char* kScratchSuffix = ".XXXXXX";  // for mkostemp(3)

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string unable(const std::string& what, const std::string& path) {
  return "unable to write " + what + " " + sqlbk::quoted(path);
}

Error exists_error(const std::string& what, const std::string& path) {
  return Error(Errc::destination_exists, unable(what, path) + ": it exists already")
      .with_path(path);
}

// Whether both names are one directory entry, of a file that need not be there yet.
bool is_same_name(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  if (fs::path(a).filename() != fs::path(b).filename()) return false;
  const std::optional<FileStat> directory_a = stat_path(parent_of(a));
  const std::optional<FileStat> directory_b = stat_path(parent_of(b));
  return directory_a && directory_b && directory_a->same_file(*directory_b);
}

bool belongs_to(const std::string& path, const std::string& database) {
  // The sidecars lie beside the file that a symbolic link leads to.
  std::error_code code;
  const std::filesystem::path real = std::filesystem::canonical(database, code);
  for (const std::string& main : {database, code ? database : real.string()}) {
    if (is_same_name(path, main + std::string(kDigestSuffix))) return true;
    for (const SourceFile file : kSourceFiles) {
      if (is_same_name(path, main + std::string(suffix_of(file)))) return true;
    }
  }
  return false;
}

// Whatever its name: a database, a WAL, or a journal in use.
bool is_of_sqlite(const std::string& path) {
  std::array<std::byte, format::kDbMagic.size()> start{};
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, path);
  const std::size_t got = read_up_to(fd.get(), start, 0, path);
  const format::Bytes bytes = format::Bytes(start).first(got);
  const auto begins_with = [bytes](format::Bytes magic) {
    return bytes.size() >= magic.size() && std::ranges::equal(bytes.first(magic.size()), magic);
  };
  if (begins_with(std::as_bytes(std::span(format::kDbMagic))) ||
      begins_with(std::as_bytes(std::span(format::kJournalMagic)))) {
    return true;
  }
  return bytes.size() >= 4 && (format::read_be32(bytes, 0) & ~1U) == format::kWalMagic;
}

// A file with a name of its own beside `path`, removed unless it was renamed.
class ScratchFile {
 public:
  ScratchFile(const std::string& what, const std::string& path)
      : what_(what), path_(path + kScratchSuffix) {
    fd_ = UniqueFd(::mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) throw system_error("write " + what, path, errno);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { static_cast<void>(sys().unlinkat(AT_FDCWD, path_.c_str(), 0)); }

  void fill(const std::string& text) {
    write_all(fd_.get(), std::as_bytes(std::span(text)), 0, path_);
    const mode_t mask = ::umask(0);
    static_cast<void>(::umask(mask));
    if (sys().fchmod(fd_.get(), 0666U & ~mask) != 0) {
      throw system_error("set the permissions of", path_, errno);
    }
    sync_file(fd_.get(), path_);
    close_checked(fd_, path_);
  }
  void rename_to(const std::string& path, unsigned flags) {
    if (sys().renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), flags) == 0) return;
    if (errno == EEXIST) throw exists_error(what_, path);
    throw system_error("write " + what_, path, errno);
  }

 private:
  std::string what_;
  std::string path_;
  UniqueFd fd_;
};

// What would go wrong once the work is done.
void require_writable(const std::string& what, const std::string& path) {
  const auto unusable = [&](const std::string& why, int os_errno) {
    return Error(Errc::destination_unusable, unable(what, path) + ": " + why)
        .with_path(path)
        .with_errno(os_errno);
  };
  const std::string name = std::filesystem::path(path).filename().string() + kScratchSuffix;
  const long most = ::pathconf(parent_of(path).c_str(), _PC_NAME_MAX);
  if (most > 0 && name.size() > static_cast<std::size_t>(most)) {
    throw unusable("its name is too long", ENAMETOOLONG).with_hint("choose a shorter name");
  }
  if (const int obstacle = obstacle_to_making_files(parent_of(path))) {
    throw unusable("there is no directory for it that can be written", obstacle);
  }
  if (const std::optional<Obstacle> obstacle = obstacle_to_replacing(path)) {
    throw unusable(obstacle->reason, obstacle->os_errno).with_hint("choose another name");
  }
}

}  // namespace

void refuse_standard_output(const std::string& what, const std::string& path) {
  if (path != "-") return;
  throw Error(Errc::usage, unable(what, path) + ": writing to standard output is not supported")
      .with_hint("name a file; './-' is a file called '-'");
}

void check_text_file(const std::string& what, const std::string& path, Existing existing,
                     std::span<const std::string> databases) {
  refuse_standard_output(what, path);
  for (const std::string& database : databases) {
    if (!belongs_to(path, database)) continue;
    throw Error(
        Errc::destination_exists,
        unable(what, path) + ": the name belongs to the database " + sqlbk::quoted(database))
        .with_path(path)
        .with_hint("choose a name that belongs neither to a database nor to its copy");
  }
  const std::optional<FileStat> there = stat_path(path);
  if (there && !there->is_regular()) {
    throw Error(Errc::destination_exists, unable(what, path) + ": it is not a regular file")
        .with_path(path)
        .with_hint("choose another name");
  }
  // A link that leads nowhere is in the way, too.
  std::error_code code;
  const bool is_link = std::filesystem::is_symlink(std::filesystem::symlink_status(path, code));
  if ((there || is_link) && existing == Existing::refuse) throw exists_error(what, path);
  if (there && is_of_sqlite(path)) {
    throw Error(Errc::destination_exists,
                unable(what, path) + ": it is a file of SQLite, which is not replaced")
        .with_path(path)
        .with_hint("choose another name");
  }
  require_writable(what, path);
}

void write_text_file(const std::string& what, const std::string& path, const std::string& text,
                     Existing existing) {
  ScratchFile file(what, path);
  file.fill(text);
  file.rename_to(path, existing == Existing::replace ? 0U : RENAME_NOREPLACE);
  const std::string parent = parent_of(path);
  const UniqueFd directory = open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0, parent);
  sync_file(directory.get(), parent);
}

}  // namespace sqlbk::tool
