#include "cksumvfs.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <vector>

#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk {
namespace {

constexpr std::size_t kChecksumSizeBytes = 8;
constexpr int kSampledPages = 16;

std::uint32_t little_endian(std::uint32_t value) {
  return std::endian::native == std::endian::little ? value : __builtin_bswap32(value);
}

std::array<std::byte, kChecksumSizeBytes> page_checksum(std::span<const std::byte> page) noexcept {
  const std::span<const std::byte> summed = page.first(page.size() - kChecksumSizeBytes);
  std::uint32_t s1 = 0;
  std::uint32_t s2 = 0;
  for (std::size_t offset = 0; offset < summed.size(); offset += 8) {
    s1 += little_endian(format::read_native32(summed, offset)) + s2;
    s2 += little_endian(format::read_native32(summed, offset + 4)) + s1;
  }
  const std::array words{little_endian(s1), little_endian(s2)};
  std::array<std::byte, kChecksumSizeBytes> bytes{};
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

bool is_zero(std::span<const std::byte> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

CksumvfsPages::CksumvfsPages(int main_fd, const std::string& path, std::uint32_t page_size_bytes) {
  std::vector<std::byte> page(page_size_bytes);
  if (read_up_to(main_fd, page, 0, path) < page.size()) return;
  const format::ParsedDbHeader header = format::parse_db_header(page);
  had_no_reserve_ = header && header->reserved_bytes == 0;
  if (!header || header->reserved_bytes != kChecksumSizeBytes) return;
  // One match suffices (a chance of 2^-64 otherwise), and a mismatch proves nothing: the copy of a
  // page that was being checkpointed is torn until the WAL is laid over it. Zero pages sum to zero.
  for (int i = 0; i < kSampledPages && !in_use_; ++i) {
    const auto offset = static_cast<std::uint64_t>(i) * page_size_bytes;
    if (read_up_to(main_fd, page, offset, path) < page.size()) return;
    in_use_ = !is_zero(page) &&
              std::ranges::equal(page_checksum(page), std::span(page).last(kChecksumSizeBytes));
  }
}

void CksumvfsPages::seal(std::span<std::byte> page) const noexcept {
  if (!in_use_) return;
  std::ranges::copy(page_checksum(page), page.last(kChecksumSizeBytes).begin());
}

void CksumvfsPages::seal_new_reserve(int main_fd, const std::string& path,
                                     std::uint32_t page_size_bytes) const {
  if (!had_no_reserve_) return;
  std::vector<std::byte> page(page_size_bytes);
  const std::span<std::byte> trailer = std::span(page).last(kChecksumSizeBytes);
  for (std::uint64_t offset = 0;; offset += page_size_bytes) {
    if (read_up_to(main_fd, page, offset, path) < page.size()) return;
    if (offset == 0) {
      const format::ParsedDbHeader header = format::parse_db_header(page);
      if (!header || header->reserved_bytes != kChecksumSizeBytes || !is_zero(trailer)) return;
    }
    if (!is_zero(trailer) || is_zero(page)) continue;
    std::ranges::copy(page_checksum(page), trailer.begin());
    write_all(main_fd, page, offset, path);
  }
}

}  // namespace sqlbk
