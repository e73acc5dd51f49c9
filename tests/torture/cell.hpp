// One cell of a torture: what writes to the source, and what copies it. Shared by torture and
// undisturbed.
#pragma once

#include <optional>
#include <string>

#include <boost/program_options.hpp>

#include "kit/load.hpp"
#include "sqlbk/core/registry.hpp"
#include "sqlbk/core/report.hpp"

namespace sqlbk::torture {

struct Cell : kit::Load {
  std::string strategy = "auto";
  unsigned size_mb = 20;
  unsigned copies = 50;
  double seconds = 0;           // 0: no limit but the copies
  unsigned timeout_ms = 0;      // of one copy; 0: adaptive
  unsigned good_percent = 100;  // fewer good copies are a failure; the rest may be refused
  std::string keep;
  std::string directory;

  std::string name() const;
};

// Copies as the cell says. Throws Error where there is no copy.
Report copy_once(const Cell& cell, const Registry& registry, const std::string& source,
                 const std::string& destination);

// Everything that can be copied with.
Registry full_registry();

// The command line; nullopt: help was asked for, and printed. `more` are a program's own options.
std::optional<Cell> parse_cell(int argc, char** argv, const std::string& title,
                               const boost::program_options::options_description& more);

}  // namespace sqlbk::torture
