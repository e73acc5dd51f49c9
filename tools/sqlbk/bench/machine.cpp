#include "machine.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <thread>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::tool::bench {
namespace {

// "" where /proc/cpuinfo does not tell, as on most ARM machines.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace

Machine describe_machine(const std::string& directory) {
  struct utsname system {};
  if (::uname(&system) != 0) throw system_error("ask for", "the kernel's name", errno);
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) throw system_error("ask for", "the memory's size", errno);
  const UniqueFd fd =
      open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, directory);
  return {.cores = std::thread::hardware_concurrency(),
          .memory_bytes = std::uint64_t{info.totalram} * info.mem_unit,
          .processor = processor(),
          .kernel = std::string(system.sysname) + ' ' + system.release,
          .file_system = file_system_of(fd.get(), directory).name};
}

}  // namespace sqlbk::tool::bench
