// Runs of the pipeline with a plug-in's parts, and where the plug-ins of the tests are.
#pragma once

#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kit/corpus.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/copy/plugin_movers.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"
#include "sqlbk/core/plugin.hpp"

namespace sqlbk::test {

// The value of a variable that meson.build sets.
inline std::string file_named_by(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) throw std::runtime_error(std::string(variable) + " is not set");
  return value;
}
inline std::string liar_file() {
  return file_named_by("SQLBK_LIAR_PLUGIN");
}
inline std::string odd_file() {
  return file_named_by("SQLBK_ODD_PLUGIN");
}
inline std::string example_file() {
  return file_named_by("SQLBK_EXAMPLE_PLUGIN");
}

inline Registry builtin_registry() {
  Registry registry;
  copy::register_builtin_strategies(registry);
  checkpoint::register_builtin_steps(registry);
  return registry;
}

inline Registry registry_with(const std::string& plugin_file) {
  Registry registry = builtin_registry();
  const Plugin plugin = load_plugin(plugin_file);
  copy::register_plugin_movers(registry, plugin);
  register_plugin_steps(registry, plugin);
  return registry;
}

// How a run ended.
struct Outcome {
  Report report;
  std::optional<Error> error;
  std::string explain() const {
    return error ? std::string(errc_info(error->code()).name) + ": " + error->what()
                 : std::string(to_string(report.verdict)) + " by " + report.strategy;
  }
};

// What a log line may do to the run.
struct RunState {
  Progress progress;
  CancelToken cancel;
};
using OnLog = std::function<void(RunState&, LogLevel, const std::string&)>;

inline Outcome run(const Registry& registry, CopyRequest request, const OnLog& on_log = {}) {
  Outcome outcome;
  RunState state;
  try {
    Pipeline pipeline = Pipeline::build(std::move(request), registry);
    LogSink sink;
    if (on_log) {
      sink = [&](LogLevel level, const std::string& message) { on_log(state, level, message); };
    }
    RunContext context(state.progress, state.cancel, {.log_sink = sink});
    pipeline.run(context, outcome.report);
  } catch (const Error& error) {
    outcome.error = error;
  }
  return outcome;
}

// A database at rest and a directory for copies of it.
class PluginRun : public ::testing::Test {
 protected:
  CopyRequest request(const std::string& strategy, std::vector<std::string> steps = {}) const {
    CopyRequest made;
    made.source = source_.path;
    made.destination = copies_.file("copy.db");
    made.strategy = strategy;
    made.steps = std::move(steps);
    return made;
  }
  const kit::Corpus& source() const noexcept { return source_; }
  std::string copies() const { return copies_.path(); }
  std::string copy_path() const { return copies_.file("copy.db"); }

 private:
  kit::TemporaryDirectory sources_;
  kit::TemporaryDirectory copies_;
  // Rollback mode: SQLite opens it without making sidecars, so that snapshot works, too.
  kit::Corpus source_ =
      kit::make_corpus(sources_.file("app.db"),
                       {.database = {.size_mb = 1, .journal_mode = kit::JournalMode::delete_file}});
};

}  // namespace sqlbk::test
