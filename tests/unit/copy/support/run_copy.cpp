#include "run_copy.hpp"

#include <algorithm>
#include <utility>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "source_files.hpp"

namespace sqlbk::test {

std::string Outcome::explain() const {
  std::string text;
  if (error) {
    text = std::string(errc_info(error->code()).name) + ": " + error->what();
  } else {
    text = std::string(to_string(report.verdict)) + " by " + report.strategy;
  }
  for (const std::string& decision : report.decisions) text += "\n  tried " + decision;
  if (report.wal) text += "\n  WAL frames: " + std::to_string(report.wal->frames);
  return text;
}

Outcome run_request(const CopyRequest& request, const Registry& registry, Deadline deadline,
                    const CancelToken& cancel) {
  Outcome outcome;
  try {
    Pipeline pipeline = Pipeline::build(request, registry);
    Progress progress;
    RunContext context(progress, cancel, {.deadline = deadline});
    pipeline.run(context, outcome.report);
  } catch (const Error& error) {
    outcome.error = error;
  }
  return outcome;
}

Registry registry_of(std::function<std::unique_ptr<StrategyChooser>()> make) {
  Registry registry;
  registry.add(StrategyEntry{"under-test", std::move(make)});
  return registry;
}

CopyRequest request_of(const std::string& source, const std::string& destination,
                       const std::string& strategy) {
  CopyRequest request;
  request.source = source;
  request.destination = destination;
  request.strategy = strategy;
  return request;
}

std::vector<std::string> strategies_that_work_here(const Registry& registry) {
  const kit::TemporaryDirectory directory;
  const std::string source = directory.file("source.db");
  kit::DatabaseOptions options;
  options.size_mb = 1;
  options.journal_mode = kit::JournalMode::delete_file;
  kit::create_database(source, options);
  std::vector<std::string> useless;  // movers
  for (const StrategyEntry& entry : registry.strategies()) {
    if (!entry.make()->traits().is_mover) continue;
    const Outcome outcome =
        run_request(request_of(source, directory.file("by-" + entry.spec), entry.spec), registry);
    if (outcome.error && outcome.error->code() == Errc::unsuitable) useless.push_back(entry.spec);
  }
  std::vector<std::string> working;
  for (const StrategyEntry& entry : registry.strategies()) {
    const std::string mover = entry.spec.substr(entry.spec.rfind('+') + 1);
    if (std::ranges::count(useless, mover) == 0) working.push_back(entry.spec);
  }
  return working;
}

std::string leftovers(const std::string& destination, const std::vector<std::string>& expected) {
  std::string text;
  for (const std::string& name : names_in(parent_of(destination))) {
    if (std::ranges::count(expected, name) == 0) text += name + " ";
  }
  return text;
}

}  // namespace sqlbk::test
