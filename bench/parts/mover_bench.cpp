// Every mover, with both files in memory (tmpfs) and on a disk, whose page cache holds them: no
// sync is waited for.
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/temporary_directory.hpp"
#include "mover/movers.hpp"
#include "run.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::bench {
namespace {

constexpr std::uint64_t kFileBytes = std::uint64_t{64} << 20U;

void fill(const UniqueFd& fd, const std::string& path) {
  const std::vector<std::byte> bytes = random_bytes(std::size_t{1} << 20U);
  for (std::uint64_t offset = 0; offset < kFileBytes; offset += bytes.size()) {
    write_all(fd.get(), bytes, offset, path);
  }
}

void move_file(benchmark::State& state, copy::MakeMover make, const std::string& parent) {
  if (!parent.empty() && ::access(parent.c_str(), W_OK | X_OK) != 0) {
    state.SkipWithError((parent + " cannot be written to").c_str());
    return;
  }
  const kit::TemporaryDirectory directory(parent);
  const std::string in_path = directory.file("in");
  const std::string out_path = directory.file("out");
  const UniqueFd in = make_file(in_path);
  fill(in, in_path);
  const UniqueFd out = make_file(out_path);
  const std::unique_ptr<copy::Mover> mover = make();
  QuietRun run;
  for (auto _ : state) {
    const copy::Moved moved = mover->move({.in_fd = in.get(),
                                           .in_path = in_path,
                                           .out_fd = out.get(),
                                           .out_path = out_path,
                                           .offset_bytes = 0,
                                           .length_bytes = kFileBytes},
                                          run.context());
    if (moved.outcome == copy::MoveOutcome::unsupported) {
      state.SkipWithError("not supported on this file system");
      break;
    }
    state.PauseTiming();
    truncate_to(out.get(), 0, out_path);
    state.ResumeTiming();
  }
  state.SetLabel(file_system_of(in.get(), in_path).name);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(kFileBytes));
}

void register_movers() {
  for (const copy::MakeMover make : copy::kMovers) {
    const std::string name = "move/" + std::string(make()->name());
    benchmark::RegisterBenchmark((name + "/memory").c_str(), move_file, make, kMemoryDirectory)
        ->UseRealTime();
    benchmark::RegisterBenchmark((name + "/disk").c_str(), move_file, make, disk_directory())
        ->UseRealTime();
  }
}

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  sqlbk::bench::register_movers();
  return sqlbk::bench::run_benchmarks(argc, argv);
}
