// A plug-in's step as a PostStep.
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <utility>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/plugin.hpp"
#include "sqlbk/core/plugin_call.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

std::string who(const PluginStep& step, const std::string& plugin) {
  return "the step " + quoted(step.name) + " of the plug-in " + quoted(plugin);
}

void remove_if_there(const std::string& path) {
  if (sys().unlinkat(AT_FDCWD, path.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error("remove", path, errno);
  }
}

// The files of an image, before and after a step.
class ImageFiles {
 public:
  explicit ImageFiles(const StagedImage& image)
      : main_(stat_path(image.main_path())),
        wal_(stat_if_not_empty(image.wal_path())),
        journal_(stat_if_not_empty(image.journal_path())) {}

  // What the step did that it must not do; nullopt: nothing.
  std::optional<std::string> objection(const ImageFiles& before, bool may_change) const {
    if (!main_ || !before.main_ || !main_->same_file(*before.main_)) {
      return "the main file of the copy was removed or replaced";
    }
    if (may_change) {
      if (is_new(wal_, before.wal_)) return "it left a -wal file beside the copy";
    } else if (!same(main_, before.main_) || !same(wal_, before.wal_)) {
      return "it changed the copy, but says of itself that it does not";
    }
    if (is_new(journal_, before.journal_)) return "it left a -journal file beside the copy";
    return std::nullopt;
  }

 private:
  using Stat = std::optional<FileStat>;
  static Stat stat_if_not_empty(const std::string& path) {
    const Stat stat = stat_path(path);
    return stat && stat->size_bytes > 0 ? stat : std::nullopt;
  }
  static bool is_new(const Stat& now, const Stat& before) { return now && !before; }
  static bool same(const Stat& now, const Stat& before) {
    if (!now || !before) return !now && !before;
    return now->unchanged(*before);
  }

  Stat main_;
  Stat wal_;
  Stat journal_;
};

class PluginStepAdaptor final : public PostStep {
 public:
  PluginStepAdaptor(PluginStep step, std::string plugin, std::string argument)
      : step_(std::move(step)),
        plugin_(std::move(plugin)),
        argument_(std::move(argument)),
        name_(argument_.empty() ? step_.name : step_.name + "=" + argument_) {
    if (step_.abi->check_argument == nullptr) return;
    PluginCall call(who(step_, plugin_), nullptr, 0);
    const std::int32_t answer = call.run([&](const sqlbk_host* host) {
      return step_.abi->check_argument(step_.abi, argument_.c_str(), host);
    });
    if (answer == 0) return;
    Error error(Errc::usage, "the argument " + quoted(argument_) + " of the step " +
                                 quoted(step_.name) + " is not understood" + call.reasons());
    if (!step_.argument.empty()) error.with_hint("it has the form " + step_.argument);
    throw error;
  }

  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override { return step_.traits; }

  StepReport run(StagedImage& image, RunContext& context) override {
    image.close_files();
    const ImageFiles before(image);
    const sqlbk_step_job job{.size = sizeof(sqlbk_step_job),
                             .main_path = image.main_path().c_str(),
                             .argument = argument_.c_str()};
    PluginCall call(who(step_, plugin_), &context, 0);
    const std::int32_t answer =
        call.run([&](const sqlbk_host* host) { return step_.abi->run(step_.abi, &job, host); });
    context.tick();
    remove_leftovers(image);
    const auto objection = ImageFiles(image).objection(before, step_.traits.changes_image);
    if (objection) throw call.broken_promise(*objection);
    StepReport report{.name = name_,
                      .verdict = verdict_of(answer, call),
                      .findings = call.findings(),
                      .elapsed = {}};
    if (report.verdict != StepVerdict::ok && report.findings.empty()) {
      report.findings.emplace_back("it gave no reason");
    }
    return report;
  }

 private:
  static StepVerdict verdict_of(std::int32_t answer, const PluginCall& call) {
    switch (answer) {
      case SQLBK_STEP_OK:
        return StepVerdict::ok;
      case SQLBK_STEP_DAMAGED:
        return StepVerdict::damaged;
      case SQLBK_STEP_COULD_NOT_CHECK:
        return StepVerdict::could_not_check;
      case SQLBK_STEP_SKIPPED:
        return StepVerdict::skipped;
      default:
        throw call.broken_promise("it answered " + std::to_string(answer) +
                                  ", which means nothing");
    }
  }

  // What a closed connection may leave, and holds nothing: -shm, and an empty -wal or -journal.
  static void remove_leftovers(const StagedImage& image) {
    remove_if_there(image.main_path() + "-shm");
    for (const std::string& path : {image.wal_path(), image.journal_path()}) {
      const std::optional<FileStat> stat = stat_path(path);
      if (stat && stat->size_bytes == 0) remove_if_there(path);
    }
  }

  PluginStep step_;
  std::string plugin_;
  std::string argument_;
  std::string name_;
};

}  // namespace

void register_plugin_steps(Registry& registry, const Plugin& plugin) {
  extend_registry(registry, plugin, [&](Registry& extended) {
    for (const PluginStep& step : plugin.steps) {
      extended.add(StepEntry{.name = step.name,
                             .argument = step.argument,
                             .summary = step.summary,
                             .make = [step, path = plugin.path](const std::string& argument) {
                               return std::make_unique<PluginStepAdaptor>(step, path, argument);
                             }});
    }
  });
}

void extend_registry(Registry& registry, const Plugin& plugin,
                     const std::function<void(Registry&)>& add) {
  Registry extended = registry;
  try {
    add(extended);
  } catch (Error& error) {
    error.add_context("unable to use the plug-in " + quoted(plugin.path));
    error.with_path(plugin.path).with_hint("leave out one of the two, or have it renamed");
    throw;
  }
  registry = std::move(extended);
}

}  // namespace sqlbk
