#include "kept_pages.hpp"

#include <cerrno>
#include <fcntl.h>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {

KeptPages::KeptPages(std::string path, std::uint32_t page_size_bytes)
    : path_(std::move(path)),
      fd_(open_at(AT_FDCWD, path_, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, path_)),
      page_size_bytes_(page_size_bytes) {
  // Its space is free again as soon as the descriptor is closed, however the run ends.
  if (sys().unlinkat(AT_FDCWD, path_.c_str(), 0) != 0) {
    throw system_error("remove", path_, errno);
  }
}

void KeptPages::put(std::uint32_t page_number, format::Bytes page) {
  const auto [found, is_new] = groups_.try_emplace(page_number / kGroupPages);
  Group& group = found->second;
  if (is_new) group.first_slot = static_cast<std::uint32_t>(groups_.size() - 1) * kGroupPages + 1;
  const std::uint32_t in_group = page_number % kGroupPages;
  write_all(fd_.get(), page, offset_of(group.first_slot + in_group), path_);
  group.present.set(in_group);
}

NewerPages KeptPages::pages(std::uint32_t last_page) const {
  PageMapBuilder map;
  for (const auto& [number, group] : groups_) {
    for (std::uint32_t i = 0; i < kGroupPages; ++i) {
      if (group.present[i]) map.put(number * kGroupPages + i, group.first_slot + i);
    }
  }
  return {.file = {fd_.get(), path_},
          .first_offset_bytes = 0,
          .slot_size_bytes = page_size_bytes_,
          .map = std::move(map).finish(last_page)};
}

}  // namespace sqlbk::copy
