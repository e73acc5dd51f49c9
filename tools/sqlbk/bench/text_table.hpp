// A table of text in columns as wide as they need to be. Thread-safety: one thread.
#pragma once

#include <string>
#include <vector>

#include "terminal.hpp"

namespace sqlbk::tool::bench {

class TextTable {
 public:
  // The first column stands left, all others right.
  explicit TextTable(std::vector<std::string> headings);

  void add(std::vector<std::string> cells);  // REQUIRES: as many as headings
  // A line that begins with this cell and then holds one text over all other columns.
  void add_remark(std::string first, std::string text);
  bool empty() const noexcept { return rows_.size() == 1; }
  void print(TextOutput& out) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string remark;
  };
  std::vector<Row> rows_;  // the headings first
};

}  // namespace sqlbk::tool::bench
