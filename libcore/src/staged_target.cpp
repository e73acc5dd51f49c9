#include "sqlbk/core/staged_target.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/filesystem.hpp>

#include "copy_attributes.hpp"
#include "free_name.hpp"
#include "linux/attributes.hpp"
#include "linux/descriptor_table.hpp"
#include "linux/open_elsewhere.hpp"
#include "room.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/holes.hpp"
#include "sqlbk/core/obstacles.hpp"
#include "sqlbk/core/sys.hpp"
#include "sqlbk/format/checksum_file.hpp"
#include "staging_directory.hpp"

namespace sqlbk {
namespace {

namespace fs = boost::filesystem;

constexpr std::array<std::string_view, 3> kSidecars{"-wal", "-shm", "-journal"};

// What belongs to the copy under names beside it, so that it is in the way where it is there.
std::vector<std::string_view> suffixes_beside(const TargetOptions& options) {
  std::vector<std::string_view> suffixes(kSidecars.begin(), kSidecars.end());
  if (options.digest) suffixes.push_back(kDigestSuffix);
  return suffixes;
}

std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// lstat: a dangling link takes the name, too.
std::optional<FileStat> look(const std::string& path) {
  return stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, path);
}

Error exists_error(const std::string& destination, const std::string& what) {
  return Error(Errc::destination_exists, "unable to copy to " + quoted(destination) + ": " + what)
      .with_path(destination);
}

void require_not_part_of_source(const std::string& destination, const SourceFacts& source,
                                const TargetOptions& options) {
  const std::optional<FileStat> there = stat_path(destination);
  for (const std::optional<FileStat>* file : {&source.wal, &source.shm, &source.journal}) {
    if (there && *file && there->same_file(**file)) {
      throw exists_error(destination, "it is a sidecar of the source")
          .with_hint("choose a name that does not belong to the source");
    }
  }
  if (there && there->same_file(source.main)) {
    throw exists_error(destination, "it is the source itself, under this or another name")
        .with_hint("choose another name");
  }
  // The other way round: a sidecar's name of the destination that is a file of the source would be
  // taken for a leftover, and removed by --force.
  for (const std::string_view suffix : suffixes_beside(options)) {
    const std::optional<FileStat> sidecar = stat_path(destination + std::string(suffix));
    if (!sidecar) continue;
    for (const std::optional<FileStat>* file : {&source.wal, &source.shm, &source.journal}) {
      if (*file && sidecar->same_file(**file)) {
        throw exists_error(destination, "a sidecar of that name is a file of the source")
            .with_hint("choose a name that does not belong to the source");
      }
    }
    if (sidecar->same_file(source.main)) {
      throw exists_error(destination, "the source has the name of a sidecar of it")
          .with_hint("choose a name that does not belong to the source");
    }
  }
  // By the directory itself: a bind mount shows it under another path.
  const std::optional<FileStat> directory = stat_path(parent_of(destination));
  const std::optional<FileStat> source_directory = stat_path(parent_of(source.main_path));
  if (!directory || !source_directory || !directory->same_file(*source_directory)) return;
  const std::string name = fs::path(destination).filename().string();
  const std::string source_name = fs::path(source.main_path).filename().string();
  for (const std::string_view suffix : kSidecars) {
    if (name == source_name + std::string(suffix)) {
      throw exists_error(destination, "this is the name of a sidecar of the source")
          .with_hint("choose a name that does not belong to the source");
    }
  }
}

void require_free(const std::string& destination, const TargetOptions& options) {
  if (look(destination)) throw exists_error(destination, "it exists already");
  for (const std::string_view suffix : kSidecars) {
    const std::string sidecar = destination + std::string(suffix);
    if (look(sidecar)) {
      throw exists_error(destination, quoted(sidecar) +
                                          " exists, which SQLite would take for "
                                          "a part of the copy");
    }
  }
  const std::string digest = destination + std::string(kDigestSuffix);
  if (options.digest && look(digest)) {
    throw exists_error(destination, "the file for its digest, " + quoted(digest) + ", exists");
  }
}

// Said before anything is copied. Sidecars that the copy does not have may have names that no file
// can have: SQLite opens such a database, and cannot write to it.
void require_short_name(const std::string& destination, const std::string& parent,
                        const TargetOptions& options) {
  const long most = ::pathconf(parent.c_str(), _PC_NAME_MAX);
  const std::size_t size = fs::path(destination).filename().string().size() +
                           (options.digest ? kDigestSuffix.size() : 0);
  if (most <= 0 || size <= static_cast<std::size_t>(most)) return;
  const std::string what = options.digest ? "the name of its digest, with " : "its name, with ";
  throw Error(Errc::destination_unusable,
              "unable to copy to " + quoted(destination) + ": " + what + std::to_string(size) +
                  " bytes, is longer than the file system takes, " + std::to_string(most))
      .with_path(destination)
      .with_errno(ENAMETOOLONG)
      .with_hint("choose a shorter name");
}

// Whether the file is a database itself, whatever its name.
bool is_database(const std::string& path) {
  std::array<std::byte, format::kDbMagic.size()> start{};
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, path);
  static_cast<void>(read_up_to(fd.get(), start, 0, path));
  return std::memcmp(start.data(), format::kDbMagic.data(), start.size()) == 0;
}

Error in_use_error(const std::string& destination, const std::string& what) {
  return Error(Errc::destination_in_use, "unable to replace " + quoted(destination) + ": " + what)
      .with_path(destination);
}

// To look into a file that this process has open, and close it again, would drop the locks of the
// host's connections on it, where the run has no descriptor table of its own (live_files.hpp).
void require_not_open_here(const std::string& destination, const TargetOptions& options) {
  if (platform::has_private_descriptor_table()) return;
  std::vector<std::string_view> suffixes = suffixes_beside(options);
  suffixes.emplace_back("");
  for (const std::string_view suffix : suffixes) {
    const std::optional<FileStat> file = look(destination + std::string(suffix));
    if (file && file->is_regular() && platform::is_open_here(*file)) {
      throw in_use_error(destination, "this program itself has it open");
    }
  }
}

// Where a rename would fail, by the attributes of the file and its directory.
void require_renamable(const std::string& path) {
  const std::optional<Obstacle> obstacle = obstacle_to_replacing(path);
  if (!obstacle) return;
  throw Error(Errc::destination_unusable,
              "unable to replace " + quoted(path) + ": " + obstacle->reason)
      .with_path(path)
      .with_errno(obstacle->os_errno)
      .with_hint("choose another name");
}

void require_replaceable(const std::string& destination, const TargetOptions& options) {
  require_not_open_here(destination, options);
  for (const std::string_view suffix : suffixes_beside(options)) {
    const std::string sidecar = destination + std::string(suffix);
    const std::optional<FileStat> file = look(sidecar);
    if (file && file->is_directory()) {
      throw exists_error(destination, quoted(sidecar) + " is a directory, which is not replaced")
          .with_hint("choose another name");
    }
    if (file && file->is_regular() && is_database(sidecar)) {
      throw exists_error(destination, quoted(sidecar) + " is no sidecar but a database itself")
          .with_hint("choose another name");
    }
    require_renamable(sidecar);
  }
  const std::optional<FileStat> there = look(destination);
  if (!there) return;
  if (!there->is_regular()) {
    throw exists_error(destination, "it is not a regular file, and only such a one is replaced")
        .with_hint("choose another name");
  }
  require_renamable(destination);
  const UniqueFd fd =
      open_at(AT_FDCWD, destination, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, destination);
  switch (platform::open_elsewhere(fd.get(), destination)) {
    case platform::OpenElsewhere::no:
      return;
    case platform::OpenElsewhere::yes:
      throw in_use_error(destination, "a program has it open");
    case platform::OpenElsewhere::unknown:
      throw in_use_error(destination,
                         "it belongs to another user, and whether a program has it open cannot be "
                         "seen")
          .with_hint("run sqlbk as its owner or as root, or choose another name");
  }
}

// Whether what has the name is what had it before; false where that cannot be seen.
bool is_as_before(const std::string& path, const std::optional<FileStat>& before) noexcept {
  try {
    const std::optional<FileStat> now = look(path);
    return before ? now && now->unchanged(*before) : !now;
  } catch (const Error&) {
    return false;
  }
}

void remove_quietly(const std::string& path) noexcept {
  static_cast<void>(sys().unlinkat(AT_FDCWD, path.c_str(), 0));
}

void copy_whole_file(const std::string& from, const std::string& to) {
  const UniqueFd in = open_at(AT_FDCWD, from, O_RDONLY, 0, from);
  UniqueFd out = open_at(AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL, 0600, to);
  std::vector<std::byte> buffer(std::size_t{1} << 20U);
  const bool is_sparse = may_have_holes(in.get(), from);
  std::uint64_t offset = 0;
  for (std::size_t got = buffer.size(); got == buffer.size(); offset += got) {
    got = read_up_to(in.get(), buffer, offset, from);
    const auto bytes = std::span(buffer).first(got);
    if (is_sparse) {
      write_around_holes(out.get(), bytes, offset, 0, to);
    } else {
      write_all(out.get(), bytes, offset, to);
    }
  }
  if (is_sparse) truncate_to(out.get(), offset, to);  // it may end with a hole
  close_checked(out, to);
}

std::optional<FileStat> stat_unless_empty(const std::string& path) {
  return path.empty() ? std::nullopt : stat_path(path);
}

// For the run that finds this one dead half-way: see settle_replacement().
void write_note(const StagingDirectory& staging, const std::string& destination,
                const std::optional<FileStat>& old_main, const std::string& new_main,
                const std::string& new_wal, const std::string& new_digest) {
  const std::string path = staging.path() + "/" + kReplaceNoteName;
  UniqueFd note = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600, path);
  boost::system::error_code code;
  const std::string real = fs::canonical(parent_of(destination), code).string() + "/" +
                           fs::path(destination).filename().string();
  ReplaceNote content;
  content.destination = real;
  content.old_main = old_main;
  content.new_main = stat_path(new_main).value();
  content.new_wal = stat_unless_empty(new_wal);
  content.new_digest = stat_unless_empty(new_digest);
  const std::string text = to_text(content);
  write_all(note.get(), std::as_bytes(std::span(text)), 0, path);
  sync_file(note.get(), path);
  close_checked(note, path);
  sync_directory(staging.path());
}

// False: it belongs to another user, also where the file system takes no notice.
bool give_to_user(int fd, uid_t uid, const std::string& path) {
  if (sys().fchown(fd, uid, static_cast<gid_t>(-1)) == 0) return stat_of(fd, path).uid == uid;
  const int os_errno = errno;
  if (!platform::is_refused(os_errno)) throw system_error("set the owner of", path, os_errno);
  return os_errno != EINVAL && stat_of(fd, path).uid == uid;
}

// Also the members of a group may do that, unless the file is already another user's.
bool give_to_group(int fd, gid_t gid, const std::string& path) {
  if (sys().fchown(fd, static_cast<uid_t>(-1), gid) == 0) return stat_of(fd, path).gid == gid;
  const int os_errno = errno;
  if (!platform::is_refused(os_errno)) throw system_error("set the group of", path, os_errno);
  return os_errno != EINVAL && stat_of(fd, path).gid == gid;
}

std::string staging_parent(const std::string& destination, const TargetOptions& options) {
  return options.tempdir.empty() ? parent_of(destination) : options.tempdir;
}

// The mkdir(2) that comes next would say the same.
void require_staging_in(const std::string& directory) {
  if (const int obstacle = obstacle_to_making_files(directory)) {
    throw staging_error(directory, obstacle);
  }
}

}  // namespace

std::string resolve_destination(const std::string& source, const std::string& destination) {
  const std::optional<FileStat> there = stat_path(destination);
  if (!there || !there->is_directory()) return destination;
  return (fs::path(destination) / fs::path(source).filename()).string();
}

void check_destination(const std::string& destination, const SourceFacts& source,
                       const TargetOptions& options, const RoomCheck& check_room) {
  const std::string parent = parent_of(destination);
  const std::optional<FileStat> directory = stat_path(parent);
  if (!directory || !directory->is_directory()) {
    throw Error(Errc::destination_unusable, "unable to copy to " + quoted(destination) +
                                                ": there is no directory " + quoted(parent))
        .with_path(destination);
  }
  require_short_name(destination, parent, options);
  require_not_part_of_source(destination, source, options);
  if (options.force) {
    require_replaceable(destination, options);
  } else {
    require_free(destination, options);
  }
  const std::string staging = staging_parent(destination, options);
  require_staging_in(staging);
  require_staging_in(parent);
  if (check_room) check_room(staging, parent);
}

StagedTarget::StagedTarget(const std::string& destination, const SourceFacts& source,
                           TargetOptions options, const RoomCheck& check_room)
    : destination_(destination),
      source_(source),
      options_(std::move(options)),
      staging_([&] {
        // First, because a dead --force run may have taken sidecars that belong there.
        clean_dead_staging_directories(parent_of(destination), source.main_path);
        const std::string parent = staging_parent(destination, options_);
        if (!options_.tempdir.empty()) clean_dead_staging_directories(parent, source.main_path);
        check_destination(destination, source, options_, check_room);
        return std::make_unique<StagingDirectory>(parent);
      }()),
      image_(staging_->path()),
      publish_directory_(parent_of(destination)) {}

StagedTarget::StagedTarget(const SourceFacts& source, const std::string& directory,
                           const RoomCheck& check_room)
    : source_(source),
      options_{.tempdir = directory},
      staging_([&] {
        clean_dead_staging_directories(directory, source.main_path);
        require_staging_in(directory);
        if (check_room) check_room(directory, directory);
        return std::make_unique<StagingDirectory>(directory);
      }()),
      image_(staging_->path()),
      publish_directory_(directory) {}

StagedTarget::~StagedTarget() = default;

void StagedTarget::apply_attributes(const LiveFiles& source, const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  bool has_sources_list = false;
  bool has_sources_group = true;
  if (options_.preserve) {
    has_sources_list = platform::copy_extended_attributes(source.fd_of(SourceFile::main),
                                                          source.main_path(), fd.get(), path);
    // Before the mode: chown(2) clears bits of it.
    has_sources_group = give_to_group(fd.get(), source_.main.gid, path);
    kept_.owner = give_to_user(fd.get(), source_.main.uid, path) && has_sources_group;
  }
  mode_t mode = source_.main.mode & 0777U;
  if (!has_sources_list || !has_sources_group) {
    // One that the directory gives by default would let in whom the source does not.
    kept_.no_other_list = platform::remove_access_list(fd.get(), path) && kept_.no_other_list;
    mode = platform::mode_without_acl(source.fd_of(SourceFile::main), mode);
  }
  if (!has_sources_group) mode = platform::mode_for_another_group(mode);
  platform::set_mode(fd.get(), mode, path);
  kept_.mode = mode;
  if (options_.preserve) {
    kept_.times = platform::set_times(fd.get(), source_.main.atime_ns, source_.main.mtime_ns, path);
  }
}

// The first look may have been at another file, or the file have been changed since.
void StagedTarget::note_what_was_copied(const LiveFiles& source) {
  FileStat copied = source.stat(SourceFile::main);
  if (copied.same_file(source_.main)) {
    copied.mode &= source_.main.mode;
    // Of a moment before the copy: later ones would claim what it may not hold.
    copied.atime_ns = source_.main.atime_ns;
    copied.mtime_ns = source_.main.mtime_ns;
  }
  source_.main = copied;
  source_.wal = source.stat_by_path(SourceFile::wal);
  source_.shm = source.stat_by_path(SourceFile::shm);
  source_.journal = source.stat_by_path(SourceFile::journal);
}

// Whether somebody wrote to it since the first look, so that there is who waits for the disk, too.
bool StagedTarget::is_source_written(const LiveFiles& source) const {
  const auto changed = [&source](SourceFile file, const std::optional<FileStat>& before) {
    const std::optional<FileStat> now = source.stat_by_path(file);
    return now.has_value() != before.has_value() || (now && !now->unchanged(*before));
  };
  return changed(SourceFile::main, source_.main) || changed(SourceFile::wal, source_.wal) ||
         changed(SourceFile::journal, source_.journal);
}

void StagedTarget::sync(const LiveFiles& source) {
  image_.close_files();
  const bool gently = is_source_written(source);
  note_what_was_copied(source);
  main_to_publish_ = image_.main_path();
  const bool with_wal = stat_path(image_.wal_path()).has_value();
  wal_to_publish_ = with_wal ? image_.wal_path() : std::string();
  move_beside_destination();
  write_digest_file();
  for (const std::string& path : {wal_to_publish_, digest_to_publish_, main_to_publish_}) {
    if (path.empty()) continue;
    // Opened first: the source's permissions may be such that its owner cannot read it.
    const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
    apply_attributes(source, path);
    gently ? sync_in_pieces(fd.get(), path) : sync_file(fd.get(), path);
  }
}

std::vector<std::string> StagedTarget::warnings() const {
  const FileStat copy = stat_path(main_to_publish_).value();
  std::vector<std::string> warnings = warnings_of(kept_, source_.main, copy, destination_);
  const std::optional<FileStat> old = options_.force ? look(destination_) : std::nullopt;
  if (old && !is_accessed_alike(*old, copy)) {
    warnings.push_back(quoted(destination_) + " belonged to " + access_to(*old) +
                       " and belongs to " + access_to(copy) +
                       " now: the program that uses it may not be able to do so any more");
  }
  return warnings;
}

std::vector<std::string> StagedTarget::warnings_of_publishing() const {
  if (is_exclusive_) return {};
  return {"the file system of " + quoted(destination_) +
          " can neither rename without replacing nor make hard links: had another program made a "
          "file of that name at the same moment, it would have been replaced"};
}

// A rename crosses neither file systems nor mounts of one file system, and what a crash leaves is
// looked for beside the destination: a copy staged elsewhere gets a second name there, or, where
// it cannot, is copied once more.
void StagedTarget::move_beside_destination() {
  if (options_.tempdir.empty()) return;
  beside_ = std::make_unique<StagingDirectory>(publish_directory_);
  for (std::string* path : {&wal_to_publish_, &main_to_publish_}) {
    if (path->empty()) continue;
    const std::string to = beside_->path() + "/" + fs::path(*path).filename().string();
    if (sys().linkat(AT_FDCWD, path->c_str(), AT_FDCWD, to.c_str(), 0) != 0) {
      copy_whole_file(*path, to);
    }
    *path = to;
  }
}

// In the form of sha256sum(1), with the final names.
void StagedTarget::write_digest_file() {
  if (!options_.digest || !image_.digest) return;
  const std::string name = fs::path(destination_).filename().string();
  std::vector<format::ChecksumLine> lines{{.digest = image_.digest->main, .name = name}};
  if (!wal_to_publish_.empty()) {
    lines.push_back({.digest = image_.digest->wal, .name = name + "-wal"});
  }
  const std::string text = format::to_text(lines);
  digest_to_publish_ = main_to_publish_ + std::string(kDigestSuffix);
  UniqueFd fd =
      open_at(AT_FDCWD, digest_to_publish_, O_WRONLY | O_CREAT | O_EXCL, 0600, digest_to_publish_);
  write_all(fd.get(), std::as_bytes(std::span(text)), 0, digest_to_publish_);
  close_checked(fd, digest_to_publish_);
}

void StagedTarget::publish() {
  require_not_part_of_source(destination_, source_, options_);
  try {
    options_.force ? publish_by_force() : publish_new();
  } catch (Error& error) {
    // That of the code is to use --force.
    if (options_.force && error.code() == Errc::destination_exists && !error.has_own_hint()) {
      error.with_hint("run the same command again");
    }
    throw;
  }
  is_published_ = true;
}

void StagedTarget::give_free_name(const std::string& from, const std::string& to) {
  const NameTaken taken = move_to_free_name({AT_FDCWD, from, from}, {AT_FDCWD, to, to});
  is_exclusive_ = is_exclusive_ && taken == NameTaken::exclusively;
}

void StagedTarget::publish_new() {
  require_free(destination_, options_);
  const std::string wal = destination_ + "-wal";
  const std::string digest = destination_ + std::string(kDigestSuffix);
  if (!wal_to_publish_.empty() || !digest_to_publish_.empty()) {
    write_note(beside_ ? *beside_ : *staging_, destination_, std::nullopt, main_to_publish_,
               wal_to_publish_, digest_to_publish_);
  }
  bool wal_is_published = false;
  bool digest_is_published = false;
  bool published = false;
  try {
    if (!wal_to_publish_.empty()) {
      give_free_name(wal_to_publish_, wal);
      wal_is_published = true;
    }
    if (!digest_to_publish_.empty()) {
      give_free_name(digest_to_publish_, digest);
      digest_is_published = true;
    }
    give_free_name(main_to_publish_, destination_);
    published = true;
    sync_directory(publish_directory_);
  } catch (...) {
    // Whatever the failure: no destination.
    if (published) remove_quietly(destination_);
    if (digest_is_published) remove_quietly(digest);
    if (wal_is_published) remove_quietly(wal);
    throw;
  }
}

void StagedTarget::publish_by_force() {
  require_replaceable(destination_, options_);
  const std::optional<FileStat> old_main = look(destination_);
  StagingDirectory& staging = beside_ ? *beside_ : *staging_;
  write_note(staging, destination_, old_main, main_to_publish_, wal_to_publish_,
             digest_to_publish_);
  std::vector<std::string_view> taken;
  bool wal_is_published = false;
  bool digest_is_published = false;
  const std::string digest = destination_ + std::string(kDigestSuffix);
  bool main_is_published = false;
  const auto put_back = [&]() noexcept {
    if (main_is_published) remove_quietly(destination_);
    if (wal_is_published) remove_quietly(destination_ + "-wal");
    if (digest_is_published) remove_quietly(digest);
    // What cannot be put back now is kept for a later run: it is the only copy. Beside a database
    // that was made or written to meanwhile it would be taken for a part of that.
    const bool belongs_there = taken.empty() || is_as_before(destination_, old_main);
    if (!belongs_there) staging.keep();
    for (const std::string_view suffix : taken) {
      if (!belongs_there) break;
      const std::string from = staging.path() + "/old" + std::string(suffix);
      if (!try_move_to_free_name(from, destination_ + std::string(suffix))) staging.keep();
    }
  };
  try {
    for (const std::string_view suffix : suffixes_beside(options_)) {
      const std::string from = destination_ + std::string(suffix);
      const std::string to = staging.path() + "/old" + std::string(suffix);
      if (sys().renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) == 0) {
        taken.push_back(suffix);
      } else if (errno != ENOENT && errno != ENAMETOOLONG) {
        throw system_error("move away", from, errno);
      }
    }
    sync_directory(staging.path());
    sync_directory(publish_directory_);
    if (!wal_to_publish_.empty()) {
      give_free_name(wal_to_publish_, destination_ + "-wal");
      wal_is_published = true;
    }
    if (!digest_to_publish_.empty()) {
      give_free_name(digest_to_publish_, digest);
      digest_is_published = true;
    }
    if (!old_main) {
      give_free_name(main_to_publish_, destination_);
      main_is_published = true;
      sync_directory(publish_directory_);
      return;
    }
    if (sys().renameat2(AT_FDCWD, main_to_publish_.c_str(), AT_FDCWD, destination_.c_str(), 0) !=
        0) {
      throw system_error("replace", destination_, errno);
    }
  } catch (...) {
    put_back();
    throw;
  }
  is_published_ = true;
  // The old main is gone: a failed sync is told, but nothing is taken back. Until it is known to be
  // gone for good its sidecars are not either.
  try {
    sync_directory(publish_directory_);
  } catch (Error& error) {
    staging.keep();
    error.add_context("the new copy stands at " + quoted(destination_) +
                      ", but may not survive a power failure");
    error.with_hint("check the disk, and copy again");
    throw;
  }
}

}  // namespace sqlbk
