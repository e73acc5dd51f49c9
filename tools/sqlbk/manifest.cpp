#include "manifest.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::tool {
namespace {

constexpr int kSchema = 1;
constexpr std::uint64_t kMostBytes = 16U << 20U;

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Error exists_error(const std::string& path) {
  return Error(Errc::destination_exists,
               "unable to write the manifest " + sqlbk::quoted(path) + ": it exists already")
      .with_path(path);
}

std::string now_in_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 32> text{};
  static_cast<void>(
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts)));
  return text.data();
}

nlohmann::json manifest_of(const Report& report) {
  const nlohmann::json all = to_json(report);
  nlohmann::json object{
      {"sqlbk_manifest", kSchema},
      {"written", now_in_utc()},
      {"versions", {{"sqlbk", SQLBK_VERSION}, {"sqlite", sqlite::library_version()}}}};
  object["source"] = {{"path", report.source},
                      {"device", report.source_identity.device},
                      {"inode", report.source_identity.inode},
                      {"size_bytes", report.source_identity.size_bytes},
                      {"wal_size_bytes", report.source_identity.wal_size_bytes},
                      {"ctime_ns", report.source_identity.ctime_ns},
                      {"wal_ctime_ns", report.source_identity.wal_ctime_ns},
                      {"change_counter", report.change_counter},
                      {"schema_cookie", report.schema_cookie}};
  object["copy"] = {
      {"path", report.destination},
      {"page_size_bytes", report.page_size_bytes},
      {"pages", report.page_size_bytes == 0 ? 0 : report.size_bytes / report.page_size_bytes},
      {"size_bytes", report.size_bytes},
      {"wal_size_bytes", report.wal_size_bytes},
      {"sha256", report.sha256},
      {"wal_sha256", report.wal_sha256}};
  for (const char* name : {"strategy", "verdict", "assumptions", "warnings", "proof", "attempts",
                           "steps", "times_ms"}) {
    object[name] = all[name];
  }
  return object;
}

// A file with a name of its own beside `path`, removed unless it was renamed.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& path) : path_(path + ".XXXXXX") {
    fd_ = UniqueFd(::mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) throw system_error("write the manifest", path, errno);
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
    if (errno == EEXIST) throw exists_error(path);
    throw system_error("write the manifest", path, errno);
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

// Which state of the source was copied.
checkpoint::SourcePosition position_in(const nlohmann::json& manifest) {
  const nlohmann::json& source = manifest.at("source");
  checkpoint::SourcePosition position;
  position.files.device = source.at("device").get<std::uint64_t>();
  position.files.inode = source.at("inode").get<std::uint64_t>();
  position.files.size_bytes = source.at("size_bytes").get<std::uint64_t>();
  position.files.wal_size_bytes = source.at("wal_size_bytes").get<std::uint64_t>();
  position.files.ctime_ns = source.at("ctime_ns").get<std::int64_t>();
  position.files.wal_ctime_ns = source.at("wal_ctime_ns").get<std::int64_t>();
  position.change_counter = source.at("change_counter").get<std::uint32_t>();
  position.verdict = manifest.at("verdict").get<std::string>();
  const nlohmann::json& proof = manifest.at("proof");
  const auto fact = [&proof](const char* name) {
    return proof.contains(name) ? proof.at(name).get<std::string>() : std::string();
  };
  position.wal_salts = fact("wal_salts");
  // Frames that only the wal-index vouched for, or of several generations, are no position.
  const auto number = [&fact](const char* name) {
    return std::strtoull(fact(name).c_str(), nullptr, 10);
  };
  if (fact("wal_resets").empty() && number("wal_index_mx_frame") <= number("wal_frames")) {
    position.wal_frames = number("wal_frames");
  }
  return position;
}

[[noreturn]] void throw_no_manifest(const std::string& path, const std::string& why) {
  throw Error(Errc::usage, sqlbk::quoted(path) + " is not a manifest of sqlbk: " + why)
      .with_path(path)
      .with_hint("name a file that 'sqlbk copy --manifest' has written");
}

}  // namespace

void check_manifest_path(const std::string& path, bool force) {
  const std::optional<FileStat> there = stat_path(path);
  if (there && (!force || !there->is_regular())) throw exists_error(path);
  const std::optional<FileStat> directory = stat_path(parent_of(path));
  if (directory && directory->is_directory() && ::access(parent_of(path).c_str(), W_OK) == 0)
    return;
  throw Error(Errc::destination_unusable, "unable to write the manifest " + sqlbk::quoted(path) +
                                              ": there is no directory for it that can be written")
      .with_path(path);
}

void write_manifest(const std::string& path, const Report& report, bool force) {
  const std::optional<FileStat> there = stat_path(path);
  const std::optional<FileStat> copy = stat_path(report.destination);
  if (there && copy && there->same_file(*copy)) throw exists_error(path);
  ScratchFile file(path);
  file.fill(manifest_of(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
            '\n');
  file.rename_to(path, force ? 0U : RENAME_NOREPLACE);
  const UniqueFd directory =
      open_at(AT_FDCWD, parent_of(path), O_RDONLY | O_DIRECTORY, 0, parent_of(path));
  sync_file(directory.get(), parent_of(path));
}

checkpoint::ExpectedCopy read_manifest(const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  const FileStat stat = stat_of(fd.get(), path);
  if (!stat.is_regular() || stat.size_bytes > kMostBytes)
    throw_no_manifest(path, "not such a file");
  std::string text(static_cast<std::size_t>(stat.size_bytes), '\0');
  text.resize(read_up_to(fd.get(), std::as_writable_bytes(std::span(text)), 0, path));
  try {
    const nlohmann::json object = nlohmann::json::parse(text);
    if (object.at("sqlbk_manifest").get<int>() != kSchema) {
      throw_no_manifest(path, "its schema has another number");
    }
    const nlohmann::json& copy = object.at("copy");
    checkpoint::ExpectedCopy expected;
    expected.size_bytes = copy.at("size_bytes").get<std::uint64_t>();
    expected.wal_size_bytes = copy.at("wal_size_bytes").get<std::uint64_t>();
    expected.page_size_bytes = copy.at("page_size_bytes").get<std::uint32_t>();
    expected.sha256 = copy.at("sha256").get<std::string>();
    expected.wal_sha256 = copy.at("wal_sha256").get<std::string>();
    expected.source = position_in(object);
    return expected;
  } catch (const nlohmann::json::exception& error) {
    throw_no_manifest(path, error.what());
  }
}

}  // namespace sqlbk::tool
