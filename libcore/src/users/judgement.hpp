// What an observation means. Pure. Private to libcore.
#pragma once

#include "sqlbk/core/database_users.hpp"
#include "users/observation.hpp"

namespace sqlbk::users {

UsersAnswer judge(const Observation& seen);

}  // namespace sqlbk::users
