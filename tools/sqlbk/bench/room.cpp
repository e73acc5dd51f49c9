#include "room.hpp"

#include <algorithm>
#include <fcntl.h>

#include "print.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::tool::bench {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
// As fast as the WAL of writers that never pause was seen to grow.
constexpr std::uint64_t kWalGrowthBytesPerSecond = 250 * kMiB;

// A source, the copy, and a second one that some tools make on the way.
std::uint64_t at_rest_bytes(const Options& options, std::uint64_t database_bytes) {
  std::uint64_t largest = database_bytes;
  if (options.database.empty()) {
    for (const std::uint32_t size : options.sizes_mb) {
      largest = std::max(largest, (size + options.wal_mb.value_or(size / 4)) * kMiB);
    }
  }
  return options.repeat == 0 ? 0 : 3 * largest;
}

// The same, and a second copy to be checked.
std::uint64_t live_bytes(const Options& options, std::uint64_t database_bytes) {
  if (options.live_time.count() == 0) return 0;
  const std::uint64_t main =
      options.database.empty() ? options.live_size_mb * kMiB : database_bytes;
  const bool saturating = options.writers > 1 && options.pause && options.pause->count() == 0;
  const auto seconds = static_cast<std::uint64_t>(options.live_time.count() / 1000 + 1);
  const std::uint64_t wal = saturating ? seconds * kWalGrowthBytesPerSecond : 16 * kMiB;
  return 4 * (main + wal);
}

}  // namespace

std::uint64_t needed_bytes(const Options& options, std::uint64_t database_bytes) {
  return std::max(at_rest_bytes(options, database_bytes), live_bytes(options, database_bytes)) +
         8 * kMiB;
}

void check_room(const std::string& directory, std::uint64_t bytes) {
  const UniqueFd fd =
      open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, directory);
  const std::uint64_t free_bytes = free_space_bytes(fd.get(), directory);
  if (free_bytes >= bytes) return;
  throw Error(Errc::no_space, "the benchmark needs " + format_bytes(bytes) + " in " +
                                  sqlbk::quoted(directory) + ", where " + format_bytes(free_bytes) +
                                  " are free")
      .with_path(directory)
      .with_hint(
          "name another directory with --directory, or smaller databases with --size, --wal "
          "and --live-size");
}

}  // namespace sqlbk::tool::bench
