// The bytes of a database that is checked, as SQLite would read them from a file: main as it is,
// whatever its header says of its size, or a CommittedView. Private to libcheckpoint.
// Thread-safety: read() from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "sqlbk/core/committed_view.hpp"

namespace sqlbk::checkpoint {

class CheckedState {
 public:
  // Main alone.
  explicit CheckedState(BorrowedFile main);
  explicit CheckedState(CommittedView view);

  const std::string& main_path() const noexcept { return main_.path; }
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  // Fewer bytes only at the end.
  std::size_t read(std::span<std::byte> buffer, std::uint64_t offset) const;

 private:
  BorrowedFile main_;
  std::uint64_t size_bytes_;
  std::optional<CommittedView> view_;
};

}  // namespace sqlbk::checkpoint
