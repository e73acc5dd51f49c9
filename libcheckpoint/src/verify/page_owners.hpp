// Which pages of a database are used, and that each is used once: the part of integrity_check that
// concerns the whole file. What is wrong inside of one table SQLite finds by a check of this table
// alone; what no table by itself can tell is found here: pages that nobody uses or two do, the
// freelist, the roots in the pointer map, and what the header says of them (sqlite3BtreeIntegrity-
// Check() in btree.c). Private to libcheckpoint.
//
// Memory: one bit a page, and two pages for each thread that is in a call.
// Thread-safety: walk() and walk_freelist() from several threads at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/format/btree_page.hpp"
#include "sqlbk/format/db_header.hpp"
#include "verify/checked_state.hpp"

namespace sqlbk::checkpoint {

class PageOwners {
 public:
  // REQUIRES: the references outlive the object.
  PageOwners(const CheckedState& state, const format::DbHeader& header, RunContext& context);

  // About how many pages this tree has, by a look at a few of them.
  std::uint64_t estimated_pages(std::uint32_t root) const;

  // Notes the pages of one tree with their overflow chains. Throws interrupted where the run is to
  // stop, io_error where a page cannot be read.
  void walk(std::uint32_t root);
  void walk_freelist();
  // After all walks: `roots` are those of all trees, in any order.
  void finish(std::span<const std::uint32_t> roots);

  // At most a hundred, as integrity_check.
  const std::vector<std::string>& findings() const noexcept { return findings_; }

 private:
  class Walk;

  bool has_pointer_map() const noexcept { return header_.auto_vacuum_root != 0; }
  bool is_pointer_map(std::uint32_t page) const noexcept;
  bool is_noted(std::uint32_t page) const noexcept;
  // False, with a finding: there is no such page, or it is used already.
  bool note(std::uint32_t page, const std::string& user);
  void check_pointer(std::uint32_t page, format::PointerKind kind);
  void find(const std::string& finding);
  // The start of the page, as much as `buffer` takes.
  bool read(std::uint32_t page, std::span<std::byte> buffer) const;
  void check_header_roots(std::span<const std::uint32_t> roots);

  const CheckedState& state_;
  const format::DbHeader header_;
  const format::PageLayout layout_;
  RunContext& context_;
  std::uint32_t size_pages_;
  std::vector<std::atomic<std::uint64_t>> used_;
  std::mutex mutex_;
  std::vector<std::string> findings_;
};

}  // namespace sqlbk::checkpoint
