// page-sample [NAME]: the page of made-up results on stdout; without a name, the names.
#include <exception>
#include <iostream>

#include "bench/page.hpp"
#include "made_up_results.hpp"

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      for (const std::string& name : sqlbk::test::made_up_names()) std::cout << name << '\n';
    } else {
      std::cout << sqlbk::tool::bench::render_page(sqlbk::test::made_up_results(argv[1]));
    }
    return std::cout.flush() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "page-sample: " << error.what() << '\n';
    return 1;
  }
}
