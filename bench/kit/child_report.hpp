// What run-measured tells its parent, as bytes through a pipe: both are of the same build.
#pragma once

#include <cstdint>

namespace sqlbk::kit {

inline constexpr int kReportFd = 3;  // in run-measured

struct ChildReport {
  std::int64_t wall_ns = 0;
  std::int64_t cpu_ns = 0;           // user and system, of the program and all that it waited for
  std::int64_t peak_memory_kib = 0;  // of the largest of them
  std::int64_t written_blocks = 0;   // of 512 bytes, handed to the block layer
  std::int32_t wait_status = 0;      // as waitpid(2) has it
  std::int32_t start_errno = 0;      // not 0: the program could not be started
};

}  // namespace sqlbk::kit
