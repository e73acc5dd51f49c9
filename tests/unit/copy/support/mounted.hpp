// File systems of a test's own: root makes and mounts them, nobody else can.
#pragma once

#include <optional>
#include <string>

#include "kit/temporary_directory.hpp"

namespace sqlbk::test {

// Ownership: mounted as long as it lives.
class Mounted {
 public:
  // `kind`: btrfs, xfs or ext4, in a sparse file of that size on a loop device; or tmpfs.
  // Throws std::runtime_error with the reason where that does not work.
  Mounted(const std::string& kind, unsigned size_mib);
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  ~Mounted();

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const noexcept { return path_; }

 private:
  kit::TemporaryDirectory directory_;
  std::string path_;
};

// The reason why Mounted(kind) cannot work here; nullopt: it should.
std::optional<std::string> why_not_mountable(const std::string& kind);

}  // namespace sqlbk::test
