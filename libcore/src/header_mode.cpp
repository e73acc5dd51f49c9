#include "sqlbk/core/header_mode.hpp"

#include <array>
#include <vector>

#include "cksumvfs.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk {

void set_header_mode(int main_fd, const std::string& path, bool wal) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  if (read_up_to(main_fd, bytes, 0, path) < bytes.size()) return;  // an empty database
  const std::byte version{wal ? std::uint8_t{2} : std::uint8_t{1}};
  if (bytes[format::kDbWriteVersionOffset] == version &&
      bytes[format::kDbReadVersionOffset] == version) {
    return;
  }
  const format::ParsedDbHeader header = format::parse_db_header(bytes);
  if (!header) return;  // not for us to touch
  const CksumvfsPages checksums(main_fd, path, header->page_size_bytes);
  std::vector<std::byte> page(header->page_size_bytes);
  if (read_up_to(main_fd, page, 0, path) < page.size()) return;
  page[format::kDbWriteVersionOffset] = version;
  page[format::kDbReadVersionOffset] = version;
  checksums.seal(page);
  write_all(main_fd, page, 0, path);
}

}  // namespace sqlbk
