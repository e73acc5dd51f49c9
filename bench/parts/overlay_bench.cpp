// The sparse file in which `follow` keeps the newest pages of a WAL: pages put in, and read back.
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "run.hpp"
#include "strategy/wal_follower.hpp"

namespace sqlbk::bench {
namespace {

constexpr std::uint64_t kOverlayBytes = std::uint64_t{16} << 20U;
// A WAL holds a few of a database's pages: one in so many.
constexpr std::uint32_t kGap = 8;

// Pages of one size, spread over a database kGap times as large, each once and in no order.
std::vector<std::uint32_t> page_numbers(std::uint32_t page_size) {
  std::vector<std::uint32_t> numbers;
  for (std::uint64_t i = 0; i < kOverlayBytes / page_size; ++i) {
    numbers.push_back(static_cast<std::uint32_t>(1 + i * kGap));
  }
  kit::Random random(1);
  for (std::size_t i = numbers.size() - 1; i > 0; --i) {
    std::swap(numbers[i], numbers[random.below(i + 1)]);
  }
  return numbers;
}

void put_all(copy::PageOverlay& overlay, const std::vector<std::uint32_t>& numbers,
             format::Bytes page) {
  for (const std::uint32_t number : numbers) overlay.put(number, page);
}

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(kOverlayBytes));
}

void put(benchmark::State& state) {
  const kit::TemporaryDirectory directory(disk_directory());
  const auto page_size = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> page = random_bytes(page_size);
  const std::vector<std::uint32_t> numbers = page_numbers(page_size);
  std::optional<copy::PageOverlay> overlay;
  for (auto _ : state) {
    state.PauseTiming();
    overlay.emplace(directory.file("overlay"), page_size);
    state.ResumeTiming();
    put_all(*overlay, numbers, page);
  }
  set_bytes(state);
}
BENCHMARK(put)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

// A page that was there before: the hot pages of a busy database.
void put_again(benchmark::State& state) {
  const kit::TemporaryDirectory directory(disk_directory());
  const auto page_size = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> page = random_bytes(page_size);
  const std::vector<std::uint32_t> numbers = page_numbers(page_size);
  copy::PageOverlay overlay(directory.file("overlay"), page_size);
  put_all(overlay, numbers, page);
  for (auto _ : state) put_all(overlay, numbers, page);
  set_bytes(state);
}
BENCHMARK(put_again)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

void read_back(benchmark::State& state) {
  const kit::TemporaryDirectory directory(disk_directory());
  const auto page_size = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> page = random_bytes(page_size);
  const std::vector<std::uint32_t> numbers = page_numbers(page_size);
  copy::PageOverlay overlay(directory.file("overlay"), page_size);
  put_all(overlay, numbers, page);
  const auto last_page = static_cast<std::uint32_t>(numbers.size() * kGap);
  for (auto _ : state) {
    overlay.for_each(last_page, [](std::uint32_t, std::span<std::byte> bytes) {
      benchmark::DoNotOptimize(bytes.data());
    });
  }
  set_bytes(state);
}
BENCHMARK(read_back)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
