// A WAL file as it is, then one made of the same bytes with right checksums and damaged in one
// place: the valid prefix must end exactly there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "invariant.hpp"
#include "sqlbk/format/wal.hpp"

using namespace sqlbk::format;

namespace {

bool equal(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// Offers every frame; checks what must hold after each.
WalScanner scan(Bytes file, const WalHeader& header) {
  WalScanner scanner(header);
  SQLBK_INVARIANT(scanner.chain() == header.checksum && scanner.valid_frames() == 0);
  const std::uint64_t frame_size = wal_frame_size_bytes(header.page_size_bytes);
  const std::uint64_t count = wal_frames_in(file.size(), header.page_size_bytes);
  SQLBK_INVARIANT(wal_frame_offset(count + 1, header.page_size_bytes) <= file.size());
  SQLBK_INVARIANT(wal_frame_offset(count + 2, header.page_size_bytes) > file.size());
  for (std::uint64_t i = 1; i <= count; ++i) {
    const WalScanner before = scanner;
    const Bytes frame = file.subspan(wal_frame_offset(i, header.page_size_bytes), frame_size);
    const WalFrameHeader parsed = parse_wal_frame_header(frame);
    SQLBK_INVARIANT(!scanner.accept(frame.first(frame.size() - 1)));
    if (!scanner.accept(frame)) {
      SQLBK_INVARIANT(scanner.valid_frames() == before.valid_frames());
      SQLBK_INVARIANT(scanner.committed_frames() == before.committed_frames());
      SQLBK_INVARIANT(scanner.committed_size_pages() == before.committed_size_pages());
      SQLBK_INVARIANT(scanner.chain() == before.chain());
      break;
    }
    SQLBK_INVARIANT(parsed.page_number != 0 && parsed.salt == header.salt);
    SQLBK_INVARIANT(scanner.valid_frames() == i && scanner.chain() == parsed.checksum);
    SQLBK_INVARIANT(scanner.committed_frames() ==
                    (parsed.is_commit() ? i : before.committed_frames()));
    SQLBK_INVARIANT(
        scanner.committed_size_pages() ==
        (parsed.is_commit() ? parsed.commit_size_pages : before.committed_size_pages()));
    // A valid frame has no byte that encoding would not write again.
    SQLBK_INVARIANT(equal(encode_wal_frame_header(header, before.chain(), parsed.page_number,
                                                  parsed.commit_size_pages, frame.subspan(24)),
                          frame.first(24)));
  }
  // After a rewind the frames behind the commit are taken again, and lead to the same place.
  WalScanner again = scanner;
  again.rewind_to_commit();
  SQLBK_INVARIANT(again.valid_frames() == scanner.committed_frames());
  for (std::uint64_t i = again.valid_frames() + 1; i <= scanner.valid_frames(); ++i) {
    SQLBK_INVARIANT(
        again.accept(file.subspan(wal_frame_offset(i, header.page_size_bytes), frame_size)));
  }
  SQLBK_INVARIANT(again.chain() == scanner.chain());
  return scanner;
}

void check_as_it_is(Bytes file) {
  const ParsedWalHeader header = parse_wal_header(file);
  SQLBK_INVARIANT((header.issue == WalHeaderIssue::too_short) == (file.size() < 32));
  SQLBK_INVARIANT(to_string(header.issue) != "unknown");
  if (!header) return;
  SQLBK_INVARIANT(is_valid_page_size(header->page_size_bytes));
  SQLBK_INVARIANT(equal(encode_wal_header(*header), file.first(32)));
  scan(file, *header);
}

void check_made(Bytes input) {
  if (input.size() < 16) return;
  WalHeader header;
  header.big_endian_checksum = (read_u8(input, 0) & 1U) != 0;
  header.page_size_bytes = 512;
  header.checkpoint_sequence = read_be32(input, 0);
  header.salt = {read_be32(input, 4), read_be32(input, 8)};
  const std::uint64_t damage_place = read_be32(input, 12);
  const auto damage = static_cast<std::byte>(read_u8(input, 1) | 1U);
  input = input.subspan(16);

  const auto encoded = encode_wal_header(header);
  std::vector<std::byte> file(encoded.begin(), encoded.end());
  header = *parse_wal_header(file);
  WalChecksum chain = header.checksum;
  std::uint64_t committed = 0;
  std::uint64_t count = 0;
  while (input.size() >= 8 && count < 16) {
    std::vector<std::byte> page(512);
    const std::uint32_t page_number = std::max(read_be32(input, 0), 1U);
    const std::uint32_t commit_size = read_u8(input, 4) < 128 ? 0 : read_be32(input, 4);
    const std::size_t length = std::min(input.size() - 8, page.size());
    std::copy_n(input.begin() + 8, length, page.begin());
    input = input.subspan(8 + length);
    const auto frame_header =
        encode_wal_frame_header(header, chain, page_number, commit_size, page);
    chain = parse_wal_frame_header(frame_header).checksum;
    file.insert(file.end(), frame_header.begin(), frame_header.end());
    file.insert(file.end(), page.begin(), page.end());
    ++count;
    if (commit_size != 0) committed = count;
  }
  const WalScanner whole = scan(file, header);
  SQLBK_INVARIANT(whole.valid_frames() == count && whole.committed_frames() == committed);
  SQLBK_INVARIANT(whole.chain() == chain);
  if (count == 0) return;

  // One damaged byte: the checksum is a sum over all words, so no single byte escapes it.
  const std::uint64_t damaged_offset = 32 + damage_place % (file.size() - 32);
  file[damaged_offset] ^= damage;
  SQLBK_INVARIANT(scan(file, header).valid_frames() == (damaged_offset - 32) / 536);
  file[damaged_offset] ^= damage;
  file[damage_place % 32] ^= damage;
  SQLBK_INVARIANT(!parse_wal_header(file));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  check_as_it_is(input);
  check_made(input);
  // The input's own header under a right checksum, so that page sizes vary too.
  const ParsedWalHeader header = parse_wal_header(input);
  if (header.issue == WalHeaderIssue::bad_checksum) {
    std::vector<std::byte> file(input.begin(), input.end());
    const auto encoded = encode_wal_header(*header);
    std::copy(encoded.begin(), encoded.end(), file.begin());
    check_as_it_is(file);
  }
  return 0;
}
