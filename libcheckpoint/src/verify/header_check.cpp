#include <array>

#include "sqlbk/format/db_header.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr std::size_t kFirstFreePageOffset = 32;
constexpr std::size_t kFreePagesOffset = 36;
constexpr std::size_t kSchemaFormatOffset = 44;
constexpr std::uint32_t kNewestSchemaFormat = 4;
constexpr std::uint32_t kLastEncoding = 3;

using Findings = std::vector<std::string>;

void check_size(const format::DbHeader& header, std::uint64_t size_bytes, VerifyReport& report,
                Findings& findings) {
  const std::uint64_t page_size = header.page_size_bytes;
  const std::uint64_t pages = size_bytes / page_size;
  if (size_bytes % page_size != 0) {
    report.notes.push_back(std::to_string(size_bytes % page_size) +
                           " bytes behind the last whole page, which SQLite does not read");
  }
  if (!header.has_valid_size()) return;
  if (header.size_pages > pages) {
    findings.push_back("truncated: the header says " + std::to_string(header.size_pages) +
                       " pages of " + std::to_string(page_size) + " bytes, the file has " +
                       std::to_string(size_bytes) + " bytes");
  } else if (header.size_pages < pages) {
    report.notes.push_back(std::to_string(pages - header.size_pages) +
                           " pages behind the last one of the database");
  }
}

void check_free_list(format::Bytes bytes, std::uint64_t pages, Findings& findings) {
  const std::uint32_t first = format::read_be32(bytes, kFirstFreePageOffset);
  const std::uint32_t count = format::read_be32(bytes, kFreePagesOffset);
  if (first > pages || count >= pages || (first == 0) != (count == 0)) {
    findings.push_back("the header says that " + std::to_string(count) +
                       " pages are free, from page " + std::to_string(first) + " on, of " +
                       std::to_string(pages));
  }
}

}  // namespace

void check_header(const CheckedState& state, VerifyReport& report, StepReport& found) {
  std::array<std::byte, format::kDbHeaderSizeBytes> buffer{};
  const format::Bytes bytes = format::Bytes(buffer).first(state.read(buffer, 0));
  const format::ParsedDbHeader header = format::parse_db_header(bytes);
  if (!header) {
    found.findings.emplace_back(format::to_string(header.issue));
    return;
  }
  check_size(*header, state.size_bytes(), report, found.findings);
  const std::uint32_t schema_format = format::read_be32(bytes, kSchemaFormatOffset);
  if (schema_format > kNewestSchemaFormat) {
    found.findings.push_back("the header says schema format " + std::to_string(schema_format));
  }
  if (header->text_encoding > kLastEncoding) {
    found.findings.push_back("the header says text encoding " +
                             std::to_string(header->text_encoding));
  }
  check_free_list(bytes, state.size_bytes() / header->page_size_bytes, found.findings);
}

}  // namespace sqlbk::checkpoint
