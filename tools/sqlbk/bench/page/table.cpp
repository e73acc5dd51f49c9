#include "table.hpp"

#include <algorithm>

#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string class_of(const Cell& cell) {
  if (cell.is_prose) return "prose";
  return cell.is_bad ? "bad" : "number";
}

}  // namespace

void ToolTable::write_head(Markup& markup) const {
  const Element head(markup, "thead");
  const Element row(markup, "tr");
  markup.element("th", {{"scope", "col"}}, "tool");
  for (const std::string& column : columns_) markup.element("th", {{"scope", "col"}}, column);
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
    if (!is_one(row)) continue;
    const Element element(markup, "tr");
    markup.element("th", {{"scope", "row"}}, tools.at(row.tool).name);
    for (const Cell& cell : row.cells) {
      markup.element("td", {{"class", class_of(cell)}}, cell.text);
    }
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
  for (const ToolKind kind : {ToolKind::strategy, ToolKind::peer}) {
    write_group(markup, tools, kind);
  }
}

}  // namespace sqlbk::tool::bench::page
