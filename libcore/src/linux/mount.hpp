// How a file system was mounted, by this process's mount namespace.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

namespace sqlbk::platform {

struct Mount {
  std::string type;    // "fuse.sshfs"
  std::string source;  // "user@host:/directory"
};

// The mount of the device of stat(2); nullopt: there is none here, or the system does not tell.
std::optional<Mount> mount_of_device(std::uint64_t device);
// The same, out of the text of /proc/PID/mountinfo (proc(5)).
std::optional<Mount> find_mount(std::istream& mountinfo, unsigned major, unsigned minor);

}  // namespace sqlbk::platform
