// Brings a staged image into the form in which it is published. Private to libcore.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sqlbk/core/pipeline.hpp"

namespace sqlbk {

// What the header of the settled main says; 0 where it is empty or encrypted.
struct SettledState {
  std::uint32_t page_size_bytes = 0;
  std::uint32_t change_counter = 0;
  std::uint32_t schema_cookie = 0;
  std::vector<std::string> warnings;
};

// Rolls a hot journal back, applies the committed frames of the WAL or keeps them beside main, and
// sets the journal mode, as `request` says. Closes the image's descriptors. On failure throws
// Error: damaged where the image cannot be a database.
SettledState settle_image(StagedImage& image, const CopyRequest& request, RunContext& context);

}  // namespace sqlbk
