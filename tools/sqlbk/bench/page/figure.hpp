// A <figure> with what it shows in its caption. Thread-safety: one thread at a time.
#pragma once

#include <string_view>

#include "markup.hpp"

namespace sqlbk::tool::bench::page {

// Open while it lives.
class [[nodiscard]] Figure {
 public:
  Figure(Markup& markup, std::string_view title, std::string_view explanation)
      : element_(markup, "figure") {
    const Element caption(markup, "figcaption");
    markup.element("h3", title);
    if (!explanation.empty()) markup.element("p", explanation);
  }

 private:
  Element element_;
};

}  // namespace sqlbk::tool::bench::page
