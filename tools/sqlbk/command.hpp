// One command of the tool: its name, its one-line summary, and what it does with its arguments.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/registry.hpp"

namespace sqlbk::tool {

struct Command {
  std::string_view name;
  std::string_view summary;
  // Returns the exit code; an Error that leaves it is printed by main(). `arguments` are those
  // behind the command's name.
  int (*run)(const std::vector<std::string>& arguments, const Registry& registry);
};

int run_copy(const std::vector<std::string>& arguments, const Registry& registry);
int run_verify(const std::vector<std::string>& arguments, const Registry& registry);
int run_inspect(const std::vector<std::string>& arguments, const Registry& registry);
int run_list(const std::vector<std::string>& arguments, const Registry& registry);
int run_bench(const std::vector<std::string>& arguments, const Registry& registry);
int run_demo(const std::vector<std::string>& arguments, const Registry& registry);

std::span<const Command> commands() noexcept;

}  // namespace sqlbk::tool
