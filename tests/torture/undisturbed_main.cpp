// undisturbed: how much an owner notices. Copies back to back for a while, alternating with cp of
// the same files for as long, and compares the writers' commit rates and their worst stalls.
// Prints one line a pair and a summary with the medians; judges nothing.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>

#include "cell.hpp"
#include "kit/peer.hpp"
#include "kit/statistics.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writing_meter.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::torture {
namespace {

namespace fs = boost::filesystem;
namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

struct Window {
  double commits_per_second = 0;
  double worst_stall_ms = 0;
  unsigned copies = 0;
  unsigned refused = 0;
};

Window measure(std::span<const kit::WriterProcess> writers, double seconds,
               const std::function<bool()>& copy) {
  Window window;
  kit::WritingMeter meter(writers);
  const auto began = Clock::now();
  std::chrono::duration<double> elapsed{0};
  meter.begin();
  while (elapsed.count() < seconds) {
    ++(copy() ? window.copies : window.refused);
    elapsed = Clock::now() - began;
  }
  meter.end();
  window.commits_per_second = meter.commits_per_second();
  window.worst_stall_ms = std::chrono::duration<double, std::milli>(meter.worst_stall()).count();
  return window;
}

enum class Tool { sqlbk, cp };

// A database and owners of its own for each window: the WAL of saturating writers grows without
// bound, and the second of two windows would have the larger one to copy.
Window run_window(const Cell& cell, const Registry& registry, double seconds, Tool tool) {
  const kit::TemporaryDirectory directory(cell.directory);
  const std::string source = directory.file("source.db");
  kit::create_database(
      source, {.size_mb = cell.size_mb, .seed = cell.seed, .journal_mode = cell.journal_mode});
  std::vector<kit::WriterProcess> owners = kit::start_owners(cell, source);
  const auto copy = [&] {
    const std::string destination = directory.file("copy.db");
    try {
      static_cast<void>(copy_once(cell, registry, source, destination));
    } catch (const Error& error) {
      std::cerr << error.what() << '\n';
      return false;
    }
    return fs::remove(destination);
  };
  const kit::Peer& cp_peer = kit::peers().front();
  const auto cp = [&] {
    const std::string destination = directory.file("cp.db");
    const bool good = kit::run_copy(cp_peer.steps(source, destination), destination,
                                    kit::Durability::by_itself, {})
                          .good();
    kit::remove_copy(destination);
    return good;
  };
  const std::span<const kit::WriterProcess> writers(owners.data(), cell.writers);
  const Window window =
      tool == Tool::sqlbk ? measure(writers, seconds, copy) : measure(writers, seconds, cp);
  for (kit::WriterProcess& owner : owners) static_cast<void>(owner.stop());
  return window;
}

int run(int argc, char** argv) {
  unsigned pairs = 5;
  po::options_description more;
  more.add_options()("pairs", po::value(&pairs), "of a time with copies and one with cp");
  const std::optional<Cell> cell =
      parse_cell(argc, argv, "undisturbed: what the writers notice of copies, beside cp", more);
  if (!cell) return 0;
  const double seconds = cell->seconds > 0 ? cell->seconds : 20;
  const Registry registry = full_registry();
  std::vector<double> ratios;
  std::vector<double> stalls;
  std::vector<double> cp_stalls;
  for (unsigned i = 0; i < pairs; ++i) {
    const Window with_copies = run_window(*cell, registry, seconds, Tool::sqlbk);
    const Window with_cp = run_window(*cell, registry, seconds, Tool::cp);
    ratios.push_back(with_copies.commits_per_second / with_cp.commits_per_second);
    stalls.push_back(with_copies.worst_stall_ms);
    cp_stalls.push_back(with_cp.worst_stall_ms);
    std::printf(
        "  %u copies (%u refused) %.0f commits/s, worst stall %.1f ms; %u cp %.0f commits/s, "
        "worst stall %.1f ms; ratio %.3f\n",
        with_copies.copies, with_copies.refused, with_copies.commits_per_second,
        with_copies.worst_stall_ms, with_cp.copies, with_cp.commits_per_second,
        with_cp.worst_stall_ms, ratios.back());
    static_cast<void>(std::fflush(stdout));
  }
  std::printf("%s: median ratio %.3f; worst stall %.1f ms with copies, %.1f ms with cp\n",
              cell->name().c_str(), kit::median(ratios), std::ranges::max(stalls),
              std::ranges::max(cp_stalls));
  return 0;
}

}  // namespace
}  // namespace sqlbk::torture

int main(int argc, char** argv) {
  try {
    return sqlbk::torture::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "undisturbed: " << error.what() << '\n';
    return 2;
  }
}
