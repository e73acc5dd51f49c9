// A plug-in that is described wrongly in one way, which SQLBK_ODD names; "" is described well.
#include <array>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

#include "sqlbk/plugin/abi.h"

namespace {

// As from a later abi.h: the same version, more at the end.
struct GrownPlugin {
  sqlbk_plugin known;
  std::uint64_t unknown;
};

GrownPlugin plugin;
std::array<sqlbk_mover, 2> movers;
std::array<sqlbk_step, 2> steps;
std::array<const sqlbk_mover*, 2> mover_list;
std::array<const sqlbk_step*, 2> step_list;

std::int32_t move(const sqlbk_mover*, const sqlbk_move_job*, const sqlbk_host*, sqlbk_moved*) {
  return SQLBK_MOVE_UNSUPPORTED;
}

std::int32_t run(const sqlbk_step*, const sqlbk_step_job*, const sqlbk_host*) {
  return SQLBK_STEP_OK;
}

void describe_well() {
  for (std::size_t i = 0; i < movers.size(); ++i) {
    movers[i] = {.size = sizeof(sqlbk_mover),
                 .traits = SQLBK_MOVER_SHARES_EXTENTS,
                 .name = i == 0 ? "odd" : "odd-2",
                 .summary = "moves nothing",
                 .move = move};
    mover_list[i] = &movers[i];
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i] = {.size = sizeof(sqlbk_step),
                .traits = SQLBK_STEP_CHANGES_IMAGE,
                .name = i == 0 ? "odd_step" : "odd_step_2",
                .summary = "does nothing",
                .argument = nullptr,
                .check_argument = nullptr,
                .run = run};
    step_list[i] = &steps[i];
  }
  plugin.known = {.size = sizeof(sqlbk_plugin),
                  .abi = SQLBK_PLUGIN_ABI,
                  .name = "odd",
                  .version = "0.1",
                  .mover_count = 2,
                  .step_count = 2,
                  .movers = mover_list.data(),
                  .steps = step_list.data()};
}

using Change = void (*)();

const std::map<std::string, Change>& changes() {
  static const std::map<std::string, Change> all{
      {"grown", [] { plugin.known.size = sizeof(GrownPlugin); }},
      {"movers-only",
       [] {
         plugin.known.step_count = 0;
         plugin.known.steps = nullptr;
       }},
      {"abi-2", [] { plugin.known.abi = 2; }},
      {"abi-0", [] { plugin.known.abi = 0; }},
      {"size-0", [] { plugin.known.size = 0; }},
      {"size-small", [] { plugin.known.size = sizeof(sqlbk_plugin) - 1; }},
      {"mover-size-small", [] { movers[1].size = sizeof(sqlbk_mover) - 1; }},
      {"step-size-small", [] { steps[1].size = sizeof(sqlbk_step) - 1; }},
      {"no-parts", [] { plugin.known.mover_count = plugin.known.step_count = 0; }},
      {"no-name", [] { plugin.known.name = nullptr; }},
      {"no-version", [] { plugin.known.version = nullptr; }},
      {"no-mover-list", [] { plugin.known.movers = nullptr; }},
      {"no-step-list", [] { plugin.known.steps = nullptr; }},
      {"million-movers", [] { plugin.known.mover_count = 1'000'000; }},
      {"null-mover", [] { mover_list[1] = nullptr; }},
      {"null-step", [] { step_list[1] = nullptr; }},
      {"mover-name-null", [] { movers[0].name = nullptr; }},
      {"mover-name-empty", [] { movers[0].name = ""; }},
      {"mover-name-plus", [] { movers[0].name = "snapshot+odd"; }},
      {"mover-name-capital", [] { movers[0].name = "Odd"; }},
      {"mover-name-digit", [] { movers[0].name = "2odd"; }},
      {"mover-name-33", [] { movers[0].name = "a23456789012345678901234567890123"; }},
      {"mover-name-32", [] { movers[0].name = "a2345678901234567890123456789012"; }},
      {"mover-summary-empty", [] { movers[0].summary = ""; }},
      {"mover-no-function", [] { movers[0].move = nullptr; }},
      {"mover-traits", [] { movers[0].traits |= 0x80; }},
      {"step-name-equals", [] { steps[0].name = "a=b"; }},
      {"step-name-comma", [] { steps[0].name = "a,b"; }},
      {"step-summary-null", [] { steps[0].summary = nullptr; }},
      {"step-no-function", [] { steps[0].run = nullptr; }},
      {"step-traits", [] { steps[0].traits |= 4; }},
      {"movers-alike", [] { movers[1].name = "odd"; }},
      {"steps-alike", [] { steps[1].name = "odd_step"; }},
      {"mover-name-taken", [] { movers[1].name = "plain"; }},
      {"mover-name-of-wrapper", [] { movers[1].name = "snapshot"; }},
      {"step-name-taken", [] { steps[1].name = "integrity_check"; }},
  };
  return all;
}

}  // namespace

extern "C" const sqlbk_plugin* sqlbk_plugin_entry_v1(const sqlbk_host* host) {
  const char* named = std::getenv("SQLBK_ODD");
  const std::string odd = named == nullptr ? "" : named;
  describe_well();
  if (odd.empty()) return &plugin.known;
  if (odd == "refuses") {
    host->finding(host, "the moon is full");
    return nullptr;
  }
  if (odd == "refuses-silently") return nullptr;
  if (odd == "throws") throw std::runtime_error("thrown by the entry");
  if (odd == "host-is-bad") {
    const bool good = host->size == sizeof(sqlbk_host) && host->abi == SQLBK_PLUGIN_ABI &&
                      host->tick(host, 1) == 0;
    host->log(host, SQLBK_LOG_ERROR, "nobody listens yet");
    return good ? &plugin.known : nullptr;
  }
  changes().at(odd)();
  return &plugin.known;
}
