#include "mover_error.hpp"

#include <cerrno>

namespace sqlbk::copy {
namespace {

bool is_of_a_write(int os_errno) {
  return os_errno == EFBIG || os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EROFS;
}

}  // namespace

Error mover_error(std::string_view action, const MoveJob& job, int os_errno) {
  if (is_of_a_write(os_errno)) return system_error("write", job.out_path, os_errno);
  return system_error(action, job.in_path, os_errno);
}

}  // namespace sqlbk::copy
