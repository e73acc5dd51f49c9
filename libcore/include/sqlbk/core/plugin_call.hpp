// One call into a plug-in: the host that it gets, and nothing thrown by either side crosses the
// border. For adaptors of a plug-in's parts; users want plugin.hpp.
// Thread-safety: one thread for each object, and the plug-in calls the host from that one only.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/log.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/plugin/abi.h"

namespace sqlbk {

class PluginCall {
 public:
  // `who` names the part in messages: "the mover 'x' of the plug-in 'y.so'". `context` may be
  // nullptr where there is no run: then ticks always say to go on. At most `countable_bytes` are
  // counted as progress, whatever the plug-in says.
  PluginCall(std::string who, RunContext* context, std::uint64_t countable_bytes);
  PluginCall(const PluginCall&) = delete;
  PluginCall& operator=(const PluginCall&) = delete;

  // Runs `call`, which calls the plug-in, and returns what it returns. Throws what a tick threw
  // meanwhile (interrupted, deadline_exceeded, lock_budget_exceeded, …), whatever the answer was;
  // else the broken promise where an exception left the plug-in.
  template <typename Call>
  auto run(Call&& call) {
    decltype(call(static_cast<const sqlbk_host*>(nullptr))) answer{};
    run_guarded([&] { answer = call(&host_); });
    return answer;
  }

  // Lines that the plug-in reported, in order, one line each.
  const std::vector<std::string>& findings() const noexcept { return findings_; }
  // "" or ": " and all of them, to end a message with.
  std::string reasons() const;
  std::uint64_t counted_bytes() const noexcept { return counted_bytes_; }

  // "WHO broke its promise: WHAT", with a hint.
  Error broken_promise(const std::string& what) const;

 private:
  void run_guarded(const std::function<void()>& call);
  // For the host's functions, which must not throw into C: keeps the first exception.
  template <typename Work>
  void keep_exception(Work&& work) noexcept;

  static std::int32_t tick(const sqlbk_host* host, std::uint64_t bytes) noexcept;
  static void log(const sqlbk_host* host, std::uint32_t level, const char* message) noexcept;
  static void finding(const sqlbk_host* host, const char* text) noexcept;

  std::string who_;
  RunContext* context_;
  std::uint64_t countable_bytes_;
  std::uint64_t counted_bytes_ = 0;
  std::vector<std::string> findings_;
  std::exception_ptr stopped_by_;
  sqlbk_host host_;
};

}  // namespace sqlbk
