// The newest version of each page that `follow` has seen committed, in a sparse file that has no
// name. Private to libcopy.
//
// Memory: one bit for each page of the groups of 4,096 that have any, less than 600 bytes for each
// page put, whatever page numbers a damaged WAL states. Thread-safety: one thread at a time.
// On failure throws Error.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <string>

#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/unique_fd.hpp"
#include "sqlbk/format/bytes.hpp"

namespace sqlbk::copy {

class KeptPages {
 public:
  // Makes the file `path` and removes its name.
  KeptPages(std::string path, std::uint32_t page_size_bytes);

  // Replaces what was put for the same page before.
  void put(std::uint32_t page_number, format::Bytes page);
  // The pages up to `last_page`, to be read as long as this lives and nothing is put.
  NewerPages pages(std::uint32_t last_page) const;

 private:
  static constexpr std::uint32_t kGroupPages = 4096;
  // Pages with consecutive numbers. Groups lie in the file in the order in which they came up: by
  // their numbers a wild one would lie behind the largest size that a file can have.
  struct Group {
    std::uint32_t first_slot = 0;
    std::bitset<kGroupPages> present;
  };
  std::uint64_t offset_of(std::uint32_t slot) const noexcept {
    return (slot - 1) * std::uint64_t{page_size_bytes_};
  }

  std::string path_;
  UniqueFd fd_;
  std::uint32_t page_size_bytes_;
  std::map<std::uint32_t, Group> groups_;  // by page number / kGroupPages
};

}  // namespace sqlbk::copy
