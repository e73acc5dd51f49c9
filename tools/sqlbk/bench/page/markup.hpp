// Writes HTML and SVG that is well-formed XML whatever the texts are: they are escaped here and
// nowhere else, and an Element ends with its scope. Thread-safety: one thread at a time.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sqlbk::tool::bench::page {

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

// Text for a place between tags or between double quotes. What XML cannot hold, control bytes and
// broken UTF-8, becomes U+FFFD.
std::string escaped(std::string_view text);

class Markup {
 public:
  void text(std::string_view text) { out_ += escaped(text); }
  // An element with nothing but text in it.
  void element(std::string_view name, const Attributes& attributes, std::string_view text);
  void element(std::string_view name, std::string_view text) { element(name, {}, text); }
  // One that cannot hold anything: <meta/>, <rect/>.
  void empty(std::string_view name, const Attributes& attributes);
  // What this program itself has written: the style sheet.
  void verbatim(std::string_view markup) { out_ += markup; }

  std::string take() { return std::move(out_); }

 private:
  friend class Element;
  void start(std::string_view name, const Attributes& attributes);
  void end(std::string_view name);

  std::string out_;
};

// Open while it lives.
class [[nodiscard]] Element {
 public:
  // REQUIRES: `name` is a literal.
  Element(Markup& markup, std::string_view name, const Attributes& attributes = {})
      : markup_(markup), name_(name) {
    markup_.start(name_, attributes);
    markup_.out_ += '>';
  }
  ~Element() { markup_.end(name_); }
  Element(const Element&) = delete;
  Element& operator=(const Element&) = delete;

 private:
  Markup& markup_;
  std::string_view name_;
};

}  // namespace sqlbk::tool::bench::page
