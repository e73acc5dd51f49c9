#include "linux/proc.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace sqlbk::platform {

std::optional<int> next_number(DIR* directory) {
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name(entry->d_name);
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
  }
  return std::nullopt;
}

bool is_kernel_thread(int pid) {
  constexpr unsigned kKernelThreadFlag = 0x00200000;  // PF_KTHREAD
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  static_cast<void>(std::getline(file, line));
  // Behind the name, which may hold anything: state, five numbers, flags (proc(5)).
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream words(line.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 6; ++i) words >> skipped;
  unsigned flags = 0;
  return words >> flags && (flags & kKernelThreadFlag) != 0;
}

}  // namespace sqlbk::platform
