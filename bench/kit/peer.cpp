#include "kit/peer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unistd.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::kit {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::array kSidecars{"-wal", "-journal"};

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// In single quotes, doubled where one stands inside, as SQL wants it.
std::string sql_text(const std::string& text) {
  std::string quoted_text = "'";
  for (const char c : text) quoted_text.append(c == '\'' ? 2 : 1, c);
  return quoted_text + "'";
}

// In double quotes with backslashes, as the dot-commands of the sqlite3 shell want it.
std::string shell_text(const std::string& text) {
  std::string quoted_text = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted_text += '\\';
    quoted_text += c;
  }
  return quoted_text + '"';
}

std::vector<CopyStep> cp_steps(const std::vector<std::string>& cp, const std::string& source,
                               const std::string& destination) {
  const auto step = [&](const std::string& suffix) {
    std::vector<std::string> command = cp;
    command.insert(command.end(), {"--", source + suffix, destination + suffix});
    return CopyStep{command, suffix.empty() ? "" : source + suffix};
  };
  std::vector<CopyStep> steps{step("")};
  for (const char* suffix : kSidecars) steps.push_back(step(suffix));
  return steps;
}

std::vector<CopyStep> plain_cp(const std::string& source, const std::string& destination) {
  return cp_steps({"cp"}, source, destination);
}

std::vector<CopyStep> reflink_cp(const std::string& source, const std::string& destination) {
  return cp_steps({"cp", "--reflink=always"}, source, destination);
}

// -init: nobody's ~/.sqliterc. Without a timeout the first busy moment would be the end.
std::vector<CopyStep> sqlite3_shell(const std::string& source, const std::string& command) {
  return {{{"sqlite3", "-batch", "-bail", "-init", "/dev/null", "-cmd", ".timeout 5000", source,
            command},
           ""}};
}

std::vector<CopyStep> dot_backup(const std::string& source, const std::string& destination) {
  return sqlite3_shell(source, ".backup " + shell_text(destination));
}

std::vector<CopyStep> vacuum_into(const std::string& source, const std::string& destination) {
  return sqlite3_shell(source, "VACUUM INTO " + sql_text(destination));
}

std::vector<CopyStep> sqlite3_rsync(const std::string& source, const std::string& destination) {
  return {{{"sqlite3_rsync", source, destination}, ""}};
}

bool in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string file = (directory.empty() ? "." : directory) + "/" + program;
    if (!std::filesystem::is_directory(file) && ::access(file.c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::vector<CopyStep> sqlite_backup(const std::string& source, const std::string& destination) {
  if (in_path("sqlite_backup")) return {{{"sqlite_backup", source, destination}, ""}};
  return {{{"python3", "-m", "sqlite_backup", source, destination}, ""}};
}

constexpr std::string_view kReflinkCp = "cp --reflink=always";
constexpr std::string_view kSqliteBackup = "sqlite_backup";

constexpr std::array kPeers{
    Peer{"cp", "cp", plain_cp},
    Peer{"cp-reflink", kReflinkCp, reflink_cp},
    Peer{"backup", "sqlite3 .backup", dot_backup},
    Peer{"vacuum", "sqlite3 VACUUM INTO", vacuum_into},
    Peer{"sqlite3_rsync", "sqlite3_rsync", sqlite3_rsync},
    Peer{kSqliteBackup, kSqliteBackup, sqlite_backup},
};

// "cp (GNU coreutils) 9.1" or "3.40.1 2022-12-28 …": the first word that begins with a digit.
std::string version_in(const std::string& text) {
  std::istringstream words(text.substr(0, text.find('\n')));
  for (std::string word; words >> word;) {
    if (word[0] >= '0' && word[0] <= '9') return word;
  }
  return "";
}

std::string version_of(const std::vector<std::string>& command, const ChildOptions& options) {
  const ChildResult result = run_child(command, options);
  return result.good() ? version_in(result.output) : "";
}

std::string why_no_reflink(const std::string& directory, const ChildOptions& options) {
  const std::string from = directory + "/reflink-probe";
  const std::string to = from + "-copy";
  std::ofstream(from) << std::string(4096, 'x');
  const ChildResult result = run_child({"cp", "--reflink=always", from, to}, options);
  std::error_code ignored;
  std::filesystem::remove(from, ignored);
  std::filesystem::remove(to, ignored);
  if (result.good()) return "";
  // Its message names our files; what the system said stands behind the last colon.
  const std::string said = result.explain();
  const std::size_t colon = said.rfind(": ");
  return "no reflinks here: " + (colon == std::string::npos ? said : said.substr(colon + 2));
}

PeerFound find_sqlite_backup(const ChildOptions& options) {
  const bool has_program = in_path("sqlite_backup");
  if (!in_path("python3")) {
    return {"", has_program ? "" : "neither sqlite_backup nor python3 is in PATH"};
  }
  const ChildResult module = run_child({"python3", "-c", "import sqlite_backup"}, options);
  if (!has_program && !module.good()) {
    return {"", "not in PATH, and python3 has no module of that name"};
  }
  return {version_of({"python3", "-c",
                      "from importlib.metadata import version; print(version('sqlite_backup'))"},
                     options),
          ""};
}

void sync_copy(const std::string& destination) {
  const auto sync = [](const std::string& path, int flags) {
    const UniqueFd fd = open_at(AT_FDCWD, path, flags | O_RDONLY | O_CLOEXEC, 0, path);
    sync_file(fd.get(), path);
  };
  sync(destination, 0);
  for (const char* suffix : kSidecars) {
    if (exists(destination + suffix)) sync(destination + suffix, 0);
  }
  sync(std::filesystem::path(destination).parent_path().string(), O_DIRECTORY);
}

}  // namespace

std::span<const Peer> peers() noexcept {
  return kPeers;
}

PeerFound find_peer(const Peer& peer, const std::string& directory, const ChildOptions& options) {
  ChildOptions quick = options;
  quick.deadline = std::min<std::chrono::milliseconds>(options.deadline, 10s);
  if (peer.name == kSqliteBackup) return find_sqlite_backup(quick);
  const std::string program(peer.name.substr(0, peer.name.find(' ')));
  if (!in_path(program)) return {"", "not in PATH"};
  PeerFound found{version_of({program, "--version"}, quick), ""};
  if (peer.name == kReflinkCp) found.unavailable = why_no_reflink(directory, quick);
  return found;
}

ChildResult run_copy(const std::vector<CopyStep>& steps, const std::string& destination,
                     Durability durability, const ChildOptions& options) {
  ChildResult sum;
  ChildOptions left = options;
  for (const CopyStep& step : steps) {
    if (!step.sidecar.empty() && !exists(step.sidecar)) continue;
    left.deadline = options.deadline - std::chrono::ceil<std::chrono::milliseconds>(sum.wall);
    ChildResult result = run_child(step.command, left);
    result.wall += sum.wall;
    result.cpu += sum.cpu;
    result.written_bytes += sum.written_bytes;
    result.peak_memory_bytes = std::max(result.peak_memory_bytes, sum.peak_memory_bytes);
    const bool vanished =
        result.end == ChildEnd::exited && !step.sidecar.empty() && !exists(step.sidecar);
    if (!result.good() && !vanished) return result;
    sum = std::move(result);
    sum.code = 0;
  }
  if (durability == Durability::needs_sync) {
    if (!exists(destination)) {
      sum.code = 1;
      sum.errors = "it reported success and left no copy";
      return sum;
    }
    const auto began = Clock::now();
    sync_copy(destination);
    sum.wall += Clock::now() - began;
  }
  return sum;
}

void remove_copy(const std::string& destination) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code problem;
    std::filesystem::remove(destination + suffix, problem);
    if (problem) throw system_error("remove", destination + suffix, problem.value());
  }
}

}  // namespace sqlbk::kit
