#include "run.hpp"

#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <span>

#include <benchmark/benchmark.h>

#include "kit/pattern.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::bench {

int run_benchmarks(int argc, char** argv) try {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "bench: " << error.what() << '\n';
  return 1;
}

std::string disk_directory() {
  const char* directory = std::getenv("SQLBK_BENCH_DIR");
  return directory == nullptr ? "" : directory;
}

UniqueFd make_file(const std::string& path) {
  return open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600, path);
}

std::vector<std::byte> random_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  kit::fill_pattern(1, 2, std::span(reinterpret_cast<char*>(bytes.data()), bytes.size()));
  return bytes;
}

}  // namespace sqlbk::bench
