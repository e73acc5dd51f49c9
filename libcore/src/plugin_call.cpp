#include "sqlbk/core/plugin_call.hpp"

#include <algorithm>
#include <utility>

namespace sqlbk {
namespace {

// What a plug-in says goes to terminals and logs: one line, no control bytes.
std::string one_line(const char* text) {
  if (text == nullptr) return "";
  std::string line(text);
  std::ranges::replace_if(
      line, [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; }, ' ');
  return line;
}

PluginCall& call_of(const sqlbk_host* host) {
  return *static_cast<PluginCall*>(host->context);
}

}  // namespace

PluginCall::PluginCall(std::string who, RunContext* context, std::uint64_t countable_bytes)
    : who_(std::move(who)),
      context_(context),
      countable_bytes_(countable_bytes),
      host_{.size = sizeof(sqlbk_host),
            .abi = SQLBK_PLUGIN_ABI,
            .context = this,
            .tick = tick,
            .log = log,
            .finding = finding} {}

template <typename Work>
void PluginCall::keep_exception(Work&& work) noexcept {
  try {
    work();
  } catch (...) {
    if (!stopped_by_) stopped_by_ = std::current_exception();
  }
}

std::int32_t PluginCall::tick(const sqlbk_host* host, std::uint64_t bytes) noexcept {
  PluginCall& self = call_of(host);
  if (self.context_ == nullptr) return 0;
  if (self.stopped_by_) return 1;  // it was told before
  self.keep_exception([&] {
    const std::uint64_t counted = std::min(bytes, self.countable_bytes_ - self.counted_bytes_);
    self.counted_bytes_ += counted;
    self.context_->advance(counted);
  });
  return self.stopped_by_ ? 1 : 0;
}

void PluginCall::log(const sqlbk_host* host, std::uint32_t level, const char* message) noexcept {
  PluginCall& self = call_of(host);
  if (self.context_ == nullptr) return;
  self.keep_exception([&] {
    const auto known = static_cast<LogLevel>(std::min<std::uint32_t>(level, SQLBK_LOG_DEBUG));
    self.context_->log(known, self.who_ + ": " + one_line(message));
  });
}

void PluginCall::finding(const sqlbk_host* host, const char* text) noexcept {
  PluginCall& self = call_of(host);
  self.keep_exception([&] { self.findings_.push_back(one_line(text)); });
}

void PluginCall::run_guarded(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    keep_exception([&] {
      throw broken_promise(std::string("an exception left it: ") + one_line(error.what()));
    });
  } catch (...) {
    keep_exception([&] { throw broken_promise("an exception left it"); });
  }
  if (stopped_by_) std::rethrow_exception(stopped_by_);
}

std::string PluginCall::reasons() const {
  std::string text;
  for (const std::string& line : findings_) text += (text.empty() ? ": " : "; ") + line;
  return text;
}

Error PluginCall::broken_promise(const std::string& what) const {
  return Error(Errc::io_error, who_ + " broke its promise: " + what)
      .with_hint("copy without this plug-in, and tell its author (docs/plugins.md has the rules)");
}

}  // namespace sqlbk
