// The parts whose speed decides that of a copy: the WAL scan, the fold, and each mover.
//   meson test --benchmark   or   build/bench/parts-bench --benchmark_filter=…
// SQLBK_BENCH_DIR: where the files are made (default: $TMPDIR, else /tmp).
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "mover/movers.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/fold.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk {
namespace {

constexpr std::uint64_t kFileBytes = std::uint64_t{64} << 20U;

std::string bench_directory() {
  const char* directory = std::getenv("SQLBK_BENCH_DIR");
  return directory == nullptr ? "" : directory;
}

UniqueFd make_file(const std::string& path) {
  return open_at(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, path);
}

std::vector<std::byte> random_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  kit::fill_pattern(1, 2, std::span(reinterpret_cast<char*>(bytes.data()), bytes.size()));
  return bytes;
}

// A valid WAL of kFileBytes, every tenth frame a commit.
void write_wal(int fd, const std::string& path, std::uint32_t page_size, bool big_endian) {
  format::WalHeader header{.big_endian_checksum = big_endian,
                           .page_size_bytes = page_size,
                           .checkpoint_sequence = 0,
                           .salt = {1, 2},
                           .checksum = {}};
  const auto header_bytes = format::encode_wal_header(header);
  header = *format::parse_wal_header(header_bytes);
  write_all(fd, header_bytes, 0, path);
  const std::vector<std::byte> page = random_bytes(page_size);
  const std::uint64_t frames = kFileBytes / format::wal_frame_size_bytes(page_size);
  format::WalChecksum chain = header.checksum;
  for (std::uint64_t i = 1; i <= frames; ++i) {
    const auto number = static_cast<std::uint32_t>(1 + i * 7919 % frames);
    const auto commit = static_cast<std::uint32_t>(i % 10 == 0 || i == frames ? frames : 0);
    const auto frame = format::encode_wal_frame_header(header, chain, number, commit, page);
    chain = format::parse_wal_frame_header(frame).checksum;
    const std::uint64_t offset = format::wal_frame_offset(i, page_size);
    write_all(fd, frame, offset, path);
    write_all(fd, page, offset + frame.size(), path);
  }
}

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(std::size_t{1} << 20U);
  const bool big_endian = state.range(0) != 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(format::wal_checksum({}, bytes, big_endian));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(checksum)->ArgName("big_endian")->Arg(0)->Arg(1);

void scan(benchmark::State& state) {
  const kit::TemporaryDirectory directory(bench_directory());
  const std::string path = directory.file("wal");
  const UniqueFd fd = make_file(path);
  write_wal(fd.get(), path, static_cast<std::uint32_t>(state.range(0)), false);
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel);
  for (auto _ : state) benchmark::DoNotOptimize(scan_wal(fd.get(), path, context));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFileBytes));
}
BENCHMARK(scan)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536);

void fold(benchmark::State& state) {
  const kit::TemporaryDirectory directory(bench_directory());
  const std::string wal_path = directory.file("wal");
  const std::string main_path = directory.file("main");
  const UniqueFd wal = make_file(wal_path);
  const UniqueFd main = make_file(main_path);
  write_wal(wal.get(), wal_path, static_cast<std::uint32_t>(state.range(0)), false);
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel);
  const WalScan found = scan_wal(wal.get(), wal_path, context);
  for (auto _ : state) {
    fold_wal(wal.get(), wal_path, found.committed, main.get(), main_path, context);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFileBytes));
}
BENCHMARK(fold)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536);

void move_file(benchmark::State& state, copy::MakeMover make) {
  const kit::TemporaryDirectory directory(bench_directory());
  const std::string in_path = directory.file("in");
  const std::string out_path = directory.file("out");
  const UniqueFd in = make_file(in_path);
  const std::vector<std::byte> bytes = random_bytes(std::size_t{1} << 20U);
  for (std::uint64_t offset = 0; offset < kFileBytes; offset += bytes.size()) {
    write_all(in.get(), bytes, offset, in_path);
  }
  const UniqueFd out = make_file(out_path);
  const std::unique_ptr<copy::Mover> mover = make();
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel);
  for (auto _ : state) {
    const copy::Moved moved = mover->move({.in_fd = in.get(),
                                           .in_path = in_path,
                                           .out_fd = out.get(),
                                           .out_path = out_path,
                                           .offset_bytes = 0,
                                           .length_bytes = kFileBytes},
                                          context);
    if (moved.outcome == copy::MoveOutcome::unsupported) {
      state.SkipWithError("not supported on this file system");
      break;
    }
    state.PauseTiming();
    truncate_to(out.get(), 0, out_path);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFileBytes));
}

void register_movers() {
  for (const copy::MakeMover make : copy::kMovers) {
    const std::string name = "move/" + std::string(make()->name());
    benchmark::RegisterBenchmark(name.c_str(), move_file, make);
  }
}

}  // namespace
}  // namespace sqlbk

int main(int argc, char** argv) {
  sqlbk::register_movers();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
