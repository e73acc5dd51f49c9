#include <algorithm>

#include "sha256.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/staged_target.hpp"
#include "sqlbk/format/checksum_file.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

// One of a backup holds a line or two; more than this is something else.
constexpr std::uint64_t kMostBytes = 1U << 20U;

std::string last_part_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string read_text(int fd, const std::string& path) {
  std::string text(static_cast<std::size_t>(std::min(stat_of(fd, path).size_bytes, kMostBytes)),
                   '\0');
  text.resize(read_up_to(fd, std::as_writable_bytes(std::span(text)), 0, path));
  return text;
}

void check_file(const LiveFiles& files, SourceFile file, const std::string& wanted,
                RunContext& context, StepReport& found) {
  const std::string name = quoted(last_part_of(files.path_of(file)));
  if (!files.has(file)) {
    found.findings.push_back(name + " is not there, but has a digest");
    return;
  }
  const FileStat before = files.stat(file);
  const std::string digest = sha256_of(files.fd_of(file), files.path_of(file), context);
  if (digest == wanted) return;
  if (!files.stat(file).unchanged(before)) {
    found.verdict = StepVerdict::could_not_check;
    found.findings.push_back(name + " was changed while it was read");
    return;
  }
  found.findings.push_back(name + " is not what it was when its digest was taken: " + digest +
                           " instead of " + wanted);
}

}  // namespace

void check_sha256(const LiveFiles& files, RunContext& context, StepReport& found) {
  const std::string path = files.main_path() + std::string(kDigestSuffix);
  const std::optional<FileStat> there = files.stat_beside(kDigestSuffix);
  const UniqueFd fd = there && there->is_regular() ? files.open_beside(kDigestSuffix) : UniqueFd();
  if (!fd) {
    found.verdict = StepVerdict::skipped;
    found.findings.push_back("there is no " + quoted(last_part_of(path)));
    return;
  }
  std::size_t checked = 0;
  for (const format::ChecksumLine& line : format::parse_checksum_lines(read_text(fd.get(), path))) {
    for (const SourceFile file : {SourceFile::main, SourceFile::wal}) {
      if (line.name != last_part_of(files.path_of(file))) continue;
      check_file(files, file, line.digest, context, found);
      ++checked;
    }
  }
  if (checked == 0) {
    found.verdict = StepVerdict::could_not_check;
    found.findings.push_back(quoted(last_part_of(path)) + " has no line for this database");
  }
}

}  // namespace sqlbk::checkpoint
