#include "copy_attributes.hpp"

#include <array>
#include <cstdio>
#include <unistd.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk {
namespace {

std::string mode_text(mode_t mode) {
  std::array<char, 8> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%04o", mode & 07777U));
  return text.data();
}

// As file systems without owners of their own have it, and servers that know no root.
bool is_another_users(const FileStat& source, const FileStat& copy) {
  return copy.uid != ::geteuid() && copy.uid != source.uid;
}

std::string wider_text(mode_t wanted, const FileStat& source, const FileStat& copy) {
  if (is_another_users(source, copy)) return ": that user may read it";
  return (copy.mode & 0777U & ~wanted) != 0 ? ": more users may read or write it than the source"
                                            : "";
}

}  // namespace

std::vector<std::string> warnings_of(const KeptAttributes& kept, const FileStat& source,
                                     const FileStat& copy, const std::string& destination) {
  std::vector<std::string> warnings;
  if (!kept.owner) {
    warnings.emplace_back(
        "the copy does not belong to the source's owner and group: this user may not give files "
        "to them");
  }
  if ((copy.mode & 0777U) != kept.mode || is_another_users(source, copy)) {
    warnings.push_back("the file system of " + quoted(destination) +
                       " does not keep owner and mode as they were to be: the copy belongs to " +
                       access_to(copy) + ", not mode " + mode_text(kept.mode) +
                       wider_text(kept.mode, source, copy));
  }
  if (!kept.no_other_list) {
    warnings.push_back("the file system of " + quoted(destination) +
                       " does not let the copy's access control list be removed: more users may "
                       "read or write it than the source");
  }
  if (!kept.times) {
    warnings.push_back("the file system of " + quoted(destination) +
                       " does not let the times of the source be kept");
  }
  return warnings;
}

std::string access_to(const FileStat& file) {
  return std::to_string(file.uid) + ":" + std::to_string(file.gid) + " with mode " +
         mode_text(file.mode);
}

bool is_accessed_alike(const FileStat& a, const FileStat& b) {
  return a.uid == b.uid && a.gid == b.gid && (a.mode & 07777U) == (b.mode & 07777U);
}

}  // namespace sqlbk
