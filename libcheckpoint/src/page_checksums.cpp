#include "page_checksums.hpp"

#include <array>

#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr std::uint8_t kCksumvfsReservedBytes = 8;

}  // namespace

format::ParsedDbHeader header_of(StagedImage& image) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(image.main_fd(), bytes, 0, image.main_path());
  return format::parse_db_header(format::Bytes(bytes).first(got));
}

bool may_have_page_checksums(const format::ParsedDbHeader& header) noexcept {
  return header && header->reserved_bytes == kCksumvfsReservedBytes;
}

void apply_with_checksums(StagedImage& image, RunContext& context) {
  if (!stat_path(image.wal_path())) return;
  if (!image.wal_prefix) {
    image.wal_prefix = scan_wal(image.wal_fd(), image.wal_path(), context).committed;
  }
  apply_to_main(CommittedView::of_image(image, context), image.main_fd(), image.main_path(),
                context);
  image.discard_wal();
  image.folded = true;
}

}  // namespace sqlbk::checkpoint
