#include "page.hpp"

#include <algorithm>

#include "page/charts.hpp"
#include "page/head.hpp"
#include "page/markup.hpp"
#include "page/style.hpp"
#include "page/tables.hpp"

namespace sqlbk::tool::bench {
namespace {

using page::Element;
using page::Markup;

void write_document_head(Markup& markup, const Results& results) {
  const Element head(markup, "head");
  markup.empty("meta", {{"charset", "utf-8"}});
  markup.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  markup.empty("meta", {{"name", "generator"}, {"content", "sqlbk " + results.sqlbk_version}});
  // Browsers ask for an icon otherwise.
  markup.empty("link", {{"rel", "icon"}, {"href", "data:,"}});
  markup.element("title", "sqlbk bench, " + results.began);
  const Element style(markup, "style");
  markup.verbatim(page::style_sheet());
}

const SizeResult& largest(const std::vector<SizeResult>& sizes) {
  return *std::max_element(
      sizes.begin(), sizes.end(),
      [](const SizeResult& a, const SizeResult& b) { return a.main_bytes < b.main_bytes; });
}

void write_times(Markup& markup, const Results& results) {
  if (results.sizes.empty() || largest(results.sizes).timings.empty()) return;
  const Element section(markup, "section");
  markup.element("h2", "How long a copy takes");
  const Element charts(markup, "div", {{"class", "charts"}});
  if (page::has_size_chart(results)) page::size_chart(markup, results);
  page::time_chart(markup, "time", results.tools, largest(results.sizes));
}

bool has_copies(const std::vector<LoadResult>& loads) {
  return std::any_of(loads.begin(), loads.end(),
                     [](const LoadResult& load) { return !load.timings.empty(); });
}

void write_outcomes(Markup& markup, const Results& results) {
  if (!has_copies(results.loads)) return;
  const Element section(markup, "section");
  markup.element("h2", "What became of copies beside writers");
  page::outcome_legend(markup);
  const Element charts(markup, "div", {{"class", "charts"}});
  for (std::size_t i = 0; i < results.loads.size(); ++i) {
    const LoadResult& load = results.loads[i];
    if (load.timings.empty()) continue;
    page::outcome_chart(markup, "outcomes-" + std::to_string(i), results.tools, load);
  }
}

void write_writers(Markup& markup, const Results& results) {
  if (!has_copies(results.loads)) return;
  const Element section(markup, "section");
  markup.element("h2", "What the writers noticed");
  markup.element("p", {{"class", "note"}},
                 "A stall lasts from the first try of BEGIN to the return of COMMIT.");
  const Element charts(markup, "div", {{"class", "charts"}});
  for (std::size_t i = 0; i < results.loads.size(); ++i) {
    const LoadResult& load = results.loads[i];
    if (load.timings.empty()) continue;
    page::commits_chart(markup, "commits-" + std::to_string(i), results.tools, load);
    page::stall_chart(markup, "stalls-" + std::to_string(i), results.tools, load);
  }
}

void write_tables(Markup& markup, const Results& results) {
  const Element section(markup, "section");
  markup.element("h2", "All the figures");
  if (results.tools.empty()) markup.element("p", "Nothing was measured.");
  if (!results.tools.empty()) page::tool_table(markup, results.tools);
  for (const SizeResult& size : results.sizes) page::time_table(markup, results.tools, size);
  for (const LoadResult& load : results.loads) page::load_tables(markup, results.tools, load);
}

}  // namespace

std::string render_page(const Results& results) {
  Markup markup;
  markup.verbatim("<!DOCTYPE html>\n");
  {
    const Element html(markup, "html", {{"lang", "en"}});
    write_document_head(markup, results);
    const Element body(markup, "body");
    page::pattern_definitions(markup);
    page::write_head(markup, results);
    const Element main(markup, "main");
    write_times(markup, results);
    write_outcomes(markup, results);
    write_writers(markup, results);
    write_tables(markup, results);
  }
  return markup.take();
}

}  // namespace sqlbk::tool::bench
