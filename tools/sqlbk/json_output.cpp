#include "json_output.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>

#include "proof_json.hpp"
#include "sqlbk/core/printable.hpp"
#include "sqlbk/format/utf8.hpp"

namespace sqlbk::tool {
namespace {

// As JSON writes a character that is not ASCII.
std::string escaped(char32_t character) {
  std::array<char, 16> text{};
  if (character <= 0xffff) {
    static_cast<void>(
        std::snprintf(text.data(), text.size(), "\\u%04x", static_cast<std::uint32_t>(character)));
  } else {
    const std::uint32_t rest = character - 0x10000;
    static_cast<void>(std::snprintf(text.data(), text.size(), "\\u%04x\\u%04x",
                                    0xd800 | rest >> 10U, 0xdc00 | (rest & 0x3ffU)));
  }
  return text.data();
}

}  // namespace

double milliseconds(Nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

nlohmann::json to_json(const StepReport& step) {
  return {{"name", step.name},
          {"verdict", to_string(step.verdict)},
          {"findings", step.findings},
          {"error", step.error ? to_json(*step.error) : nlohmann::json(nullptr)},
          {"elapsed_ms", milliseconds(step.elapsed)}};
}

nlohmann::json to_json(const Report& report) {
  nlohmann::json steps = nlohmann::json::array();
  for (const StepReport& step : report.steps) steps.push_back(to_json(step));
  nlohmann::json assumptions = nlohmann::json::array();
  for (const Assumption& assumption : report.assumptions) {
    assumptions.push_back(assumption.sentence);
  }
  return {{"source", report.source},
          {"destination", report.destination},
          {"strategy_asked", report.strategy_asked},
          {"strategy", report.strategy},
          {"verdict", to_string(report.verdict)},
          {"assumptions", assumptions},
          {"warnings", report.warnings},
          {"decisions", report.decisions},
          {"proof", proof_json(report.wal)},
          {"attempts", report.attempts},
          {"page_size_bytes", report.page_size_bytes},
          {"size_bytes", report.size_bytes},
          {"wal_size_bytes", report.wal_size_bytes},
          {"moved_bytes", report.moved_bytes},
          {"sha256", report.sha256},
          {"wal_sha256", report.wal_sha256},
          {"steps", steps},
          {"times_ms",
           {{"probe", milliseconds(report.probe_time)},
            {"copy", milliseconds(report.copy_time)},
            {"fold", milliseconds(report.fold_time)},
            {"steps", milliseconds(report.steps_time)},
            {"publish", milliseconds(report.publish_time)},
            {"total", milliseconds(report.total_time)}}}};
}

nlohmann::json to_json(const Error& error) {
  const ErrcInfo& info = errc_info(error.code());
  return {{"code", info.name},         {"message", error.what()},
          {"hint", error.hint()},      {"path", error.path()},
          {"source", error.source()},  {"destination", error.destination()},
          {"errno", error.os_errno()}, {"sqlite_code", error.sqlite_extended_code()}};
}

std::string json_text(const nlohmann::json& object, int indent) {
  const std::string raw = object.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string text;
  text.reserve(raw.size());
  for (std::string_view rest = raw; !rest.empty();) {
    const auto [character, value] = format::next_character(rest);
    rest.remove_prefix(character.size());
    // Line ends are JSON's own: within a string they are escaped already.
    if (!value || *value == '\n' || is_printable(*value)) {
      text += character;
    } else {
      text += escaped(*value);
    }
  }
  return text;
}

void print_json(TextOutput& out, const nlohmann::json& object) {
  out.own(json_text(object)) << '\n';
}

}  // namespace sqlbk::tool
