// The page checksums of the cksumvfs extension, written from cksumvfs.html, "Checksum Algorithm",
// slowly, and not from libcore's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sqlbk::test {

inline std::array<std::byte, 8> slow_cksumvfs(std::span<const std::byte> page) {
  std::uint64_t sums[2] = {0, 0};
  for (std::size_t at = 0; at < page.size() - 8; at += 4) {
    std::uint64_t word = 0;
    for (std::size_t i = 4; i-- > 0;) {
      word = word * 256 + std::to_integer<std::uint64_t>(page[at + i]);
    }
    const std::size_t which = at / 4 % 2;
    sums[which] = (sums[which] + word + sums[1 - which]) % 0x100000000;
  }
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::byte>(sums[i / 4] >> (8 * (i % 4)) & 0xffU);
  }
  return bytes;
}

inline void seal_slowly(std::span<std::byte> main, std::uint32_t page_size) {
  for (std::size_t at = 0; at < main.size(); at += page_size) {
    const auto page = main.subspan(at, page_size);
    std::ranges::copy(slow_cksumvfs(page), page.last(8).begin());
  }
}

}  // namespace sqlbk::test
