#include "json.hpp"

#include <nlohmann/json.hpp>

namespace sqlbk::tool::bench {
namespace {

using nlohmann::json;

json as_json(const Machine& machine) {
  return {{"cores", machine.cores},
          {"memory_bytes", machine.memory_bytes},
          {"processor", machine.processor},
          {"kernel", machine.kernel},
          {"file_system", machine.file_system}};
}

json as_json(const Tool& tool) {
  return {{"kind", tool.kind == ToolKind::strategy ? "strategy" : "peer"},
          {"name", tool.name},
          {"version", tool.version},
          {"unavailable", tool.unavailable},
          {"promises", tool.promises}};
}

json as_json(const Spread& spread) {
  return {{"lowest", spread.lowest}, {"median", spread.median}, {"highest", spread.highest}};
}

json as_json(const Timing& timing, const Results& results) {
  return {{"tool", results.tools[timing.tool].name},
          {"runs", timing.runs},
          {"failed", timing.failed},
          {"bad", timing.bad},
          {"first_failure", timing.first_failure},
          {"wall_seconds", as_json(timing.wall_seconds)},
          {"cpu_seconds", as_json(timing.cpu_seconds)},
          {"peak_memory_bytes", timing.peak_memory_bytes},
          {"written_bytes", timing.written_bytes}};
}

json as_json(const Writing& writing) {
  return {{"commits_per_second", writing.commits_per_second},
          {"p99_stall_seconds", writing.p99_stall_seconds},
          {"worst_stall_seconds", writing.worst_stall_seconds},
          {"wal_growth_bytes", writing.wal_growth_bytes}};
}

json as_json(const LiveTiming& timing, const Results& results) {
  return {{"tool", results.tools[timing.tool].name},
          {"good", timing.good},
          {"torn", timing.torn},
          {"stale", timing.stale},
          {"unreadable", timing.unreadable},
          {"refused", timing.refused},
          {"timed_out", timing.timed_out},
          {"first_bad", timing.first_bad},
          {"first_refusal", timing.first_refusal},
          {"source_damaged", timing.source_damaged},
          {"wall_seconds", as_json(timing.wall_seconds)},
          {"with_copies", as_json(timing.with_copies)}};
}

template <typename Timings>
json timings_json(const Timings& timings, const Results& results) {
  json array = json::array();
  for (const auto& timing : timings) array.push_back(as_json(timing, results));
  return array;
}

}  // namespace

json to_json(const Results& results) {
  json tools = json::array();
  for (const Tool& tool : results.tools) tools.push_back(as_json(tool));
  json sizes = json::array();
  for (const SizeResult& size : results.sizes) {
    sizes.push_back({{"main_bytes", size.main_bytes},
                     {"wal_bytes", size.wal_bytes},
                     {"timings", timings_json(size.timings, results)}});
  }
  json loads = json::array();
  for (const LoadResult& load : results.loads) {
    loads.push_back({{"name", load.name},
                     {"main_bytes", load.main_bytes},
                     {"deadline_seconds", load.deadline_seconds},
                     {"alone", as_json(load.alone)},
                     {"timings", timings_json(load.timings, results)}});
  }
  return {{"repeat_with", results.command},
          {"began", results.began},
          {"sqlite_version", results.sqlite_version},
          {"machine", as_json(results.machine)},
          {"tools", tools},
          {"sizes", sizes},
          {"loads", loads},
          {"notes", results.notes}};
}

}  // namespace sqlbk::tool::bench
