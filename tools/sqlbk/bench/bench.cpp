#include "bench.hpp"

#include <cstddef>

#include "live.hpp"
#include "machine.hpp"
#include "print.hpp"
#include "room.hpp"
#include "selection.hpp"
#include "sizes.hpp"
#include "source_copy.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "workplace.hpp"

namespace sqlbk::tool::bench {
Results run_benchmark(const Options& options, const Registry& registry, const CancelToken& cancel) {
  check_selection(options, registry);
  const std::uint64_t database_bytes =
      options.database.empty() ? 0 : source_size_bytes(options.database);
  Workplace place(options.directory, cancel);
  check_room(place.path(), needed_bytes(options, database_bytes));
  Results results;
  results.command = options.command;
  results.began = now_in_utc();
  results.sqlbk_version = SQLBK_VERSION;
  results.sqlite_version = sqlite::library_version();
  results.machine = describe_machine(place.path());
  const std::vector<Contender> contenders = select_contenders(options, registry, place);
  for (const Contender& contender : contenders) results.tools.push_back(contender.tool);
  results.sizes = measure_sizes(options, registry, contenders, cancel, place);
  results.loads = measure_live(options, registry, contenders, cancel, place, results.notes);
  return results;
}

std::string broken_promises(const Results& results) {
  std::string words;
  const auto add = [&](std::size_t tool, unsigned bad, const std::string& where,
                       const std::string& what) {
    if (bad == 0 || !results.tools[tool].promises) return;
    words.append(words.empty() ? "" : "; ")
        .append(std::to_string(bad) + " by " + results.tools[tool].name + " (" + where + ": " +
                what + ")");
  };
  for (const SizeResult& size : results.sizes) {
    for (const Timing& timing : size.timings) {
      add(timing.tool, timing.bad, "at rest", timing.first_failure);
    }
  }
  for (const LoadResult& load : results.loads) {
    for (const LiveTiming& timing : load.timings) {
      if (timing.source_damaged) continue;
      add(timing.tool, timing.torn + timing.stale + timing.unreadable, load.name, timing.first_bad);
    }
  }
  return words;
}

}  // namespace sqlbk::tool::bench
