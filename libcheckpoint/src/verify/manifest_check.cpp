#include "sha256.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

void check_size(const LiveFiles& files, SourceFile file, std::uint64_t wanted, StepReport& found) {
  const std::uint64_t size = files.has(file) ? files.stat(file).size_bytes : 0;
  if (size == wanted) return;
  found.findings.push_back(quoted(files.path_of(file)) + " has " + std::to_string(size) +
                           " bytes instead of " + std::to_string(wanted));
}

void check_digest(const LiveFiles& files, SourceFile file, const std::string& wanted,
                  RunContext& context, StepReport& found) {
  if (wanted.empty() || !files.has(file)) return;
  const std::string digest = sha256_of(files.fd_of(file), files.path_of(file), context);
  if (digest == wanted) return;
  found.findings.push_back(quoted(files.path_of(file)) + " is not what it was when it was made: " +
                           digest + " instead of " + wanted);
}

}  // namespace

void check_manifest(const LiveFiles& files, const SourceFacts& facts, const ExpectedCopy& expected,
                    RunContext& context, StepReport& found) {
  check_size(files, SourceFile::main, expected.size_bytes, found);
  check_size(files, SourceFile::wal, expected.wal_size_bytes, found);
  const std::uint32_t page_size = facts.header ? facts.header->page_size_bytes : 0;
  if (page_size != expected.page_size_bytes && expected.page_size_bytes != 0) {
    found.findings.push_back("pages of " + std::to_string(page_size) + " bytes instead of " +
                             std::to_string(expected.page_size_bytes));
  }
  check_digest(files, SourceFile::main, expected.sha256, context, found);
  check_digest(files, SourceFile::wal, expected.wal_sha256, context, found);
}

}  // namespace sqlbk::checkpoint
