#include "table.hpp"

#include <algorithm>

#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string class_of(const Cell& cell) {
  if (cell.is_prose) return "prose";
  return cell.is_bad ? "bad" : "number";
}

void write_row(Markup& markup, const std::string& name, const std::vector<Cell>& cells) {
  const Element row(markup, "tr");
  markup.element("th", {{"scope", "row"}}, name);
  for (const Cell& cell : cells) markup.element("td", {{"class", class_of(cell)}}, cell.text);
}

}  // namespace

void ToolTable::write_head(Markup& markup) const {
  const Element head(markup, "thead");
  const Element row(markup, "tr");
  markup.element("th", {{"scope", "col"}}, "tool");
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const bool is_prose = !rows_.empty() && rows_.front().cells.at(i).is_prose;
    markup.element("th", {{"scope", "col"}, {"class", is_prose ? "prose" : "number"}}, columns_[i]);
  }
}

void ToolTable::write_reference(Markup& markup) const {
  if (reference_.empty()) return;
  const Element body(markup, "tbody");
  write_row(markup, reference_name_, reference_);
}

void ToolTable::write_group(Markup& markup, const std::vector<Tool>& tools, ToolKind kind) const {
  const auto is_one = [&](const Row& row) { return tools.at(row.tool).kind == kind; };
  if (std::none_of(rows_.begin(), rows_.end(), is_one)) return;
  const Element body(markup, "tbody", {{"class", kind_class("tools", kind)}});
  {
    const Element row(markup, "tr");
    markup.element("th", {{"scope", "rowgroup"}, {"colspan", std::to_string(columns_.size() + 1)}},
                   group_name(kind));
  }
  for (const Row& row : rows_) {
    if (is_one(row)) write_row(markup, tools.at(row.tool).name, row.cells);
  }
}

void ToolTable::write(Markup& markup, const std::vector<Tool>& tools) const {
  // The keyboard must be able to scroll it.
  const Element box(
      markup, "div",
      {{"class", "scroll"}, {"role", "region"}, {"tabindex", "0"}, {"aria-label", caption_}});
  const Element table(markup, "table");
  markup.element("caption", caption_);
  write_head(markup);
  write_reference(markup);
  for (const ToolKind kind : {ToolKind::strategy, ToolKind::peer}) {
    write_group(markup, tools, kind);
  }
}

}  // namespace sqlbk::tool::bench::page
