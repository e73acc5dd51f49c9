#include "text_table.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sqlbk/core/printable.hpp"

namespace sqlbk::tool::bench {

TextTable::TextTable(std::vector<std::string> headings) {
  add(std::move(headings));
}

void TextTable::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);  // as wide as it will be
  rows_.push_back({std::move(cells), ""});
}

void TextTable::add_remark(std::string first, std::string text) {
  rows_.push_back({{std::move(first)}, std::move(text)});
}

void TextTable::print(TextOutput& out) const {
  std::vector<std::size_t> widths(rows_.front().cells.size(), 0);
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      widths[i] = std::max(widths[i], row.cells[i].size());
    }
  }
  for (const Row& row : rows_) {
    std::string line = "  " + row.cells[0];
    line.resize(2 + widths[0], ' ');
    for (std::size_t i = 1; i < row.cells.size(); ++i) {
      line.append(2 + widths[i] - row.cells[i].size(), ' ').append(row.cells[i]);
    }
    if (!row.remark.empty()) line += "  " + row.remark;
    out << line << '\n';
  }
}

}  // namespace sqlbk::tool::bench
