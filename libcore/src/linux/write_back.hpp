// sync_file_range(2): what a file has in the page cache goes to the disk, without its metadata and
// without a flush of the disk's own cache. That is left to fsync(2).
#pragma once

#include <cstdint>

namespace sqlbk::platform {

// Writes the first `size_bytes` back with little of it under way at a time, and leaves the rest as
// soon as the disk is busy with others. 0, or the errno of a failed write, which fsync() does not
// tell a second time on this descriptor. Where the kernel has no such call nothing is done.
int write_back(int fd, std::uint64_t size_bytes) noexcept;

}  // namespace sqlbk::platform
