// SHA-256, which the step `digest` and every check of one compute: of memory and of a file.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/temporary_directory.hpp"
#include "run.hpp"
#include "sha256.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::bench {
namespace {

constexpr std::size_t kFileBytes = std::size_t{32} << 20U;

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes));
}

void sha256_of_memory(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(static_cast<std::size_t>(state.range(0)));
  checkpoint::Sha256 sum;
  for (auto _ : state) {
    sum.update(bytes);
    benchmark::DoNotOptimize(sum.take());
  }
  set_bytes(state, bytes.size());
}
BENCHMARK(sha256_of_memory)->ArgName("bytes")->Arg(512)->Arg(4096)->Arg(1 << 20);

void sha256_of_file(benchmark::State& state) {
  const kit::TemporaryDirectory directory(disk_directory());
  const std::string path = directory.file("file");
  const UniqueFd fd = make_file(path);
  write_all(fd.get(), random_bytes(kFileBytes), 0, path);
  QuietRun run;
  for (auto _ : state) {
    benchmark::DoNotOptimize(checkpoint::sha256_of(fd.get(), path, run.context()));
  }
  set_bytes(state, kFileBytes);
}
BENCHMARK(sha256_of_file)->UseRealTime();

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
