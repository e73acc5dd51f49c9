// A private directory that is removed with everything in it. Thread-safety: one thread at a time.
#pragma once

#include <string>

namespace sqlbk::kit {

class TemporaryDirectory {
 public:
  // Makes it, mode 0700, under `parent`, or under $TMPDIR (else /tmp) where that is empty.
  // Throws Error.
  explicit TemporaryDirectory(const std::string& parent = {});
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  // Removes what it can and ignores the rest.
  ~TemporaryDirectory();

  const std::string& path() const noexcept { return path_; }
  // The path of `name` inside.
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sqlbk::kit
