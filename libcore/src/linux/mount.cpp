#include "linux/mount.hpp"

#include <fstream>
#include <sstream>
#include <sys/sysmacros.h>

namespace sqlbk::platform {
namespace {

// Blanks, tabs, newlines and backslashes are written as \ooo.
std::string unescaped(const std::string& word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool is_escape = word[i] == '\\' && word.find_first_not_of("01234567", i + 1) >= i + 4 &&
                           i + 3 < word.size();
    if (!is_escape) {
      text += word[i];
      continue;
    }
    text += static_cast<char>(std::stoi(word.substr(i + 1, 3), nullptr, 8));
    i += 3;
  }
  return text;
}

}  // namespace

std::optional<Mount> find_mount(std::istream& mountinfo, unsigned major, unsigned minor) {
  const std::string wanted = std::to_string(major) + ":" + std::to_string(minor);
  for (std::string line; std::getline(mountinfo, line);) {
    std::istringstream words(line);
    std::string id, parent, device;
    words >> id >> parent >> device;
    if (device != wanted) continue;
    // Behind a varying number of fields: "- TYPE SOURCE OPTIONS".
    std::string word;
    while (words >> word && word != "-") {
    }
    Mount mount;
    if (!(words >> mount.type >> mount.source)) continue;
    return Mount{unescaped(mount.type), unescaped(mount.source)};
  }
  return std::nullopt;
}

std::optional<Mount> mount_of_device(std::uint64_t device) {
  std::ifstream file("/proc/thread-self/mountinfo");
  return find_mount(file, major(device), minor(device));
}

}  // namespace sqlbk::platform
