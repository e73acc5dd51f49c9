// Whether files beside an open file can share its blocks (FICLONE), as far as that can be known
// without making a file. Thread-safety: pure system calls.
#pragma once

#include <string_view>

namespace sqlbk {

enum class ReflinkSupport {
  no,       // the kernel says that this file system cannot
  likely,   // the file system can; made or mounted without it, or for this file, it still may not
  unknown,  // it depends on a file system below, or the system does not tell
};
std::string_view to_string(ReflinkSupport support) noexcept;

// `fd` may be open for reading only; nothing is changed.
ReflinkSupport reflink_support(int fd) noexcept;

}  // namespace sqlbk
