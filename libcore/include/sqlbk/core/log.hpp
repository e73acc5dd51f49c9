// Where a run says what it does. Thread-safety: a sink is called on the thread that started the
// run.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sqlbk {

enum class LogLevel { error, warning, info, debug };
std::string_view to_string(LogLevel level) noexcept;

using LogSink = std::function<void(LogLevel, const std::string&)>;

}  // namespace sqlbk
