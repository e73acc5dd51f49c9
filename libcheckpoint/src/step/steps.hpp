// Every step that there is; each makes one. `argument` is what stood behind '=', or "".
// Private to libcheckpoint.
#pragma once

#include <memory>
#include <string>

#include "sqlbk/core/post_step.hpp"

namespace sqlbk::checkpoint {

std::unique_ptr<PostStep> make_checkpoint(const std::string& argument);
std::unique_ptr<PostStep> make_journal_mode(const std::string& argument);
std::unique_ptr<PostStep> make_quick_check(const std::string& argument);
std::unique_ptr<PostStep> make_integrity_check(const std::string& argument);
std::unique_ptr<PostStep> make_foreign_key_check(const std::string& argument);
std::unique_ptr<PostStep> make_vacuum_into(const std::string& argument);
std::unique_ptr<PostStep> make_digest(const std::string& argument);

}  // namespace sqlbk::checkpoint
