#include "head.hpp"

#include <algorithm>
#include <string>

#include "figures.hpp"
#include "outcomes.hpp"
#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

void fact(Markup& markup, std::string_view name, const std::string& value) {
  const Element pair(markup, "div");
  markup.element("dt", name);
  markup.element("dd", value.empty() ? "not known" : value);
}

std::string machine_text(const Machine& machine) {
  std::string text = machine.cores == 0 ? "" : counted(machine.cores, "core");
  if (!machine.processor.empty()) text += (text.empty() ? "" : " of ") + machine.processor;
  if (machine.memory_bytes != 0) {
    text += (text.empty() ? "" : ", ") + size_text(machine.memory_bytes) + " of memory";
  }
  return text;
}

// "2024-03-01T09:30:00Z" as readers write it.
std::string date_text(std::string iso) {
  if (iso.size() != 20 || iso[10] != 'T' || iso.back() != 'Z') return iso;
  iso[10] = ' ';
  iso.pop_back();
  return iso + " UTC";
}

void write_facts(Markup& markup, const Results& results) {
  const Element list(markup, "dl", {{"class", "facts"}});
  fact(markup, "began", date_text(results.began));
  fact(markup, "machine", machine_text(results.machine));
  fact(markup, "kernel", results.machine.kernel);
  fact(markup, "file system", results.machine.file_system);
  fact(markup, "sqlbk", results.sqlbk_version);
  fact(markup, "SQLite", results.sqlite_version);
}

void write_method(Markup& markup) {
  const Element paragraph(markup, "p", {{"class", "method"}});
  markup.text(
      "Every copy is made by a process of its own and ends when its result is on the disk (fsync): "
      "for the times another process holds the database open and idle, for everything else "
      "writers in other processes commit to it all the while, and each copy that a tool reports as "
      "done is compared with what was committed. Such a copy is ");
  markup.element("em", "torn");
  markup.text(" if it is no state that was ever committed, and ");
  markup.element("em", "stale");
  markup.text(" if it lacks what was committed before the copying began.");
}

unsigned sum_of(const Results& results, ToolKind kind, unsigned LiveTiming::*count) {
  unsigned sum = 0;
  for (const LoadResult& load : results.loads) {
    for (const LiveTiming& timing : load.timings) {
      if (results.tools.at(timing.tool).kind == kind) sum += timing.*count;
    }
  }
  return sum;
}

bool has_copies(const Results& results) {
  return std::any_of(results.loads.begin(), results.loads.end(),
                     [](const LoadResult& load) { return !load.timings.empty(); });
}

// All copies beside writers, of sqlbk's tools and of the others.
void write_summary(Markup& markup, const Results& results) {
  if (!has_copies(results)) return;
  const Element box(markup, "div",
                    {{"class", "scroll"},
                     {"role", "region"},
                     {"tabindex", "0"},
                     {"aria-label", "All copies beside writers"}});
  const Element table(markup, "table", {{"class", "summary"}});
  markup.element("caption", "All copies beside writers");
  {
    const Element head(markup, "thead");
    const Element row(markup, "tr");
    markup.element("th", {{"scope", "col"}}, "tools");
    for (const Outcome& outcome : kOutcomes) markup.element("th", {{"scope", "col"}}, outcome.name);
  }
  for (const ToolKind kind : {ToolKind::strategy, ToolKind::peer}) {
    const Element body(markup, "tbody", {{"class", kind_class("tools", kind)}});
    const Element row(markup, "tr");
    markup.element("th", {{"scope", "row"}}, group_name(kind));
    for (const Outcome& outcome : kOutcomes) {
      const unsigned sum = sum_of(results, kind, outcome.count);
      markup.element("td", {{"class", is_bad(outcome) && sum != 0 ? "bad" : "number"}},
                     std::to_string(sum));
    }
  }
}

void write_missing(Markup& markup, const std::vector<Tool>& tools) {
  const auto is_missing = [](const Tool& tool) { return !tool.unavailable.empty(); };
  if (std::none_of(tools.begin(), tools.end(), is_missing)) return;
  const Element paragraph(markup, "p", {{"class", "note"}});
  const char* separator = "Not run: ";
  for (const Tool& tool : tools) {
    if (!is_missing(tool)) continue;
    markup.text(separator);
    markup.element("bdi", tool.name + " (" + tool.unavailable + ")");
    separator = "; ";
  }
  markup.text(".");
}

void write_notes(Markup& markup, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    markup.element("p", {{"class", "note"}}, "Note: " + note + ".");
  }
}

}  // namespace

void write_head(Markup& markup, const Results& results) {
  const Element header(markup, "header");
  markup.element("p", {{"class", "kicker"}}, "sqlbk bench");
  markup.element("h1", "Ways to copy a SQLite database that is in use");
  {
    const Element box(markup, "pre",
                      {{"tabindex", "0"}, {"aria-label", "The command that repeats it"}});
    markup.element("code", results.command);
  }
  write_facts(markup, results);
  write_method(markup);
  write_missing(markup, results.tools);
  write_notes(markup, results.notes);
  write_summary(markup, results);
}

}  // namespace sqlbk::tool::bench::page
