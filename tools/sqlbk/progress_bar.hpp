// A progress bar on standard error, drawn by a thread that reads the run's atomics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "sqlbk/core/progress.hpp"

namespace sqlbk::tool {

enum class ProgressMode { automatic, always, never };  // automatic: only on a terminal

// Throws usage for a word that is none of auto, always, never.
ProgressMode parse_progress_mode(const std::string& text);

class ProgressBar {
 public:
  // REQUIRES: `progress` outlives the bar.
  ProgressBar(const Progress& progress, ProgressMode mode);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // Wipes the bar from the line.
  ~ProgressBar();

 private:
  class Painter;
  std::unique_ptr<Painter> painter_;
};

// What fits on a line of standard error without wrapping; an ordinary terminal if it is none.
std::size_t terminal_columns();

// One line of the bar, at most so many columns, without the carriage return. `elapsed_s` is since
// the phase began.
std::string progress_line(Phase phase, std::uint64_t done_bytes, std::uint64_t total_bytes,
                          double elapsed_s, std::size_t columns);

}  // namespace sqlbk::tool
