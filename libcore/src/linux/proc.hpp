// Reading /proc, as far as several parts of libcore do. Private to libcore.
#pragma once

#include <dirent.h>
#include <memory>
#include <optional>

namespace sqlbk::platform {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { static_cast<void>(::closedir(directory)); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// The next entry whose name is a number, in any order; nullopt: there is none.
std::optional<int> next_number(DIR* directory);

// The kernel's own threads have no descriptors, but only root may see that.
bool is_kernel_thread(int pid);

}  // namespace sqlbk::platform
