// A table with a row for each tool, sqlbk's first, in a box of its own that scrolls sideways.
// Thread-safety: one thread at a time.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "../results.hpp"
#include "markup.hpp"

namespace sqlbk::tool::bench::page {

struct Cell {
  std::string text;
  bool is_bad = false;
  bool is_prose = false;  // to the left, and with line breaks
};

class ToolTable {
 public:
  ToolTable(std::string caption, std::vector<std::string> columns)
      : caption_(std::move(caption)), columns_(std::move(columns)) {}

  // REQUIRES: one cell for each column.
  void add(std::size_t tool, std::vector<Cell> cells) { rows_.push_back({tool, std::move(cells)}); }
  // What the tools are to be compared with: a row of its own above them.
  void add_reference(std::string name, std::vector<Cell> cells) {
    reference_name_ = std::move(name);
    reference_ = std::move(cells);
  }
  void write(Markup& markup, const std::vector<Tool>& tools) const;

 private:
  struct Row {
    std::size_t tool;
    std::vector<Cell> cells;
  };
  void write_head(Markup& markup) const;
  void write_reference(Markup& markup) const;
  void write_group(Markup& markup, const std::vector<Tool>& tools, ToolKind kind) const;

  std::string caption_;
  std::vector<std::string> columns_;
  std::vector<Row> rows_;
  std::string reference_name_;
  std::vector<Cell> reference_;
};

}  // namespace sqlbk::tool::bench::page
