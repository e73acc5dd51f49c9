#include "users/lock_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/descriptor_table.hpp"
#include "linux/locks.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sys.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::users {
namespace {

constexpr std::size_t kLongestText = 256;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_space(char c) {
  return c == '\0' || std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Never throws: what cannot be read says nothing.
std::string text_of_file(const LiveFiles& files) try {
  UniqueFd fd = files.open_beside(kLockFileSuffix);
  if (!fd) return "";
  std::array<char, kLongestText> buffer{};
  const ssize_t size = sys().pread(fd.get(), buffer.data(), buffer.size(), 0);
  // Where the run has no descriptor table of its own, closing would drop a lock that this program
  // holds on it.
  if (!platform::has_private_descriptor_table() && platform::process_holds_locks_on(fd.get())) {
    static_cast<void>(fd.release());
  }
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
} catch (const Error&) {
  return "";
}

std::string text_of_link(const std::string& path) {
  std::array<char, kLongestText> buffer{};
  const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

}  // namespace

std::optional<std::string> read_lock_file(const LiveFiles& files) {
  const std::optional<FileStat> file = files.stat_beside(kLockFileSuffix);
  if (!file) return std::nullopt;
  if (S_ISLNK(file->mode)) return text_of_link(files.main_path() + std::string(kLockFileSuffix));
  if (!file->is_regular()) return std::nullopt;
  return text_of_file(files);
}

std::vector<int> numbers_in(std::string_view text) {
  std::vector<int> numbers;
  for (auto at = text.begin(); at != text.end();) {
    at = std::find_if(at, text.end(), is_digit);
    const auto end = std::find_if_not(at, text.end(), is_digit);
    int number = 0;
    const std::string digits(at, end);
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (result.ec == std::errc() && number > 1) numbers.push_back(number);
    at = end;
  }
  return numbers;
}

bool is_one_number(std::string_view text) {
  const auto begin = std::ranges::find_if_not(text, is_space);
  const auto end = std::find_if_not(begin, text.end(), is_digit);
  return begin != end && std::all_of(end, text.end(), is_space);
}

}  // namespace sqlbk::users
