// What the benchmark programs of this directory share. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/progress.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::bench {

// What a program's main() calls; returns its exit code. An exception unwinds to here, so that the
// temporary directories go away.
int run_benchmarks(int argc, char** argv);

// Where files on a disk are made: $SQLBK_BENCH_DIR, else "", which is $TMPDIR or /tmp.
std::string disk_directory();
// Where files in memory are made.
inline constexpr const char* kMemoryDirectory = "/dev/shm";

// A new, empty file. Throws Error.
UniqueFd make_file(const std::string& path);
// The same bytes each time; they do not compress.
std::vector<std::byte> random_bytes(std::size_t size);

// A run that nobody watches or stops.
class QuietRun {
 public:
  RunContext& context() noexcept { return context_; }

 private:
  Progress progress_;
  CancelToken cancel_;
  RunContext context_{progress_, cancel_};
};

}  // namespace sqlbk::bench
