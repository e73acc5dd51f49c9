// Reading and writing integers at byte offsets. Every multi-byte integer in SQLite's files is
// big-endian, except the wal-index, which is in the byte order of the machine that wrote it.
// Thread-safety: pure functions. REQUIRES: the span is long enough; callers check sizes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sqlbk::format {

using Bytes = std::span<const std::byte>;

inline std::uint8_t read_u8(Bytes bytes, std::size_t offset) {
  return std::to_integer<std::uint8_t>(bytes[offset]);
}

inline std::uint16_t read_be16(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(read_u8(bytes, offset) << 8 | read_u8(bytes, offset + 1));
}

inline std::uint32_t read_be32(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint32_t>(read_be16(bytes, offset)) << 16 | read_be16(bytes, offset + 2);
}

inline std::uint32_t read_native32(Bytes bytes, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

inline void write_be32(std::span<std::byte> bytes, std::size_t offset, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes[offset++] = static_cast<std::byte>(value >> shift & 0xffU);
  }
}

// A page size is a power of two from 512 to 65536 (fileformat2.html, section 1.3.2).
inline constexpr bool is_valid_page_size(std::uint32_t page_size_bytes) {
  return page_size_bytes >= 512 && page_size_bytes <= 65536 &&
         (page_size_bytes & (page_size_bytes - 1)) == 0;
}

// What a parser answers: either `issue` is `none` and `value` is complete, or `issue` says which
// check failed first and `value` holds what had been read before it.
template <typename Value, typename Issue>
struct Parsed {
  Issue issue{};
  Value value{};

  explicit operator bool() const noexcept { return issue == Issue::none; }
  const Value& operator*() const noexcept { return value; }
  const Value* operator->() const noexcept { return &value; }
};

}  // namespace sqlbk::format
