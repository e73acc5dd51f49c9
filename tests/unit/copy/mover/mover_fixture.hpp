// Two open files and a run around a mover.
#pragma once

#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "mover/mover.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::copy {

// Bytes of which no two places within a few kilobytes are alike.
inline std::string noise(std::size_t size, std::uint64_t seed = 1) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  for (char& byte : bytes) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<char>(state >> 32U);
  }
  return bytes;
}

class MoverFiles {
 public:
  explicit MoverFiles(const std::string& content, const std::string& directory = {})
      : directory_(directory),
        in_path(directory_.file("in")),
        out_path(directory_.file("out")),
        in(::open(in_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
        out(::open(out_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    write_all(in.get(), std::as_bytes(std::span(content)), 0, in_path);
  }

  MoveJob job(std::uint64_t offset, std::uint64_t length) const {
    return {.in_fd = in.get(),
            .in_path = in_path,
            .out_fd = out.get(),
            .out_path = out_path,
            .offset_bytes = offset,
            .length_bytes = length};
  }
  std::string copied() const {
    std::string bytes(stat_of(out.get(), out_path).size_bytes, '\0');
    static_cast<void>(read_up_to(out.get(), std::as_writable_bytes(std::span(bytes)), 0, out_path));
    return bytes;
  }

 private:
  kit::TemporaryDirectory directory_;

 public:
  std::string in_path;
  std::string out_path;
  UniqueFd in;
  UniqueFd out;
};

// What a mover needs of a run.
class MoverRun {
 public:
  MoverRun() : context(progress, cancel) {}
  Progress progress;
  CancelToken cancel;
  RunContext context;
};

}  // namespace sqlbk::copy
