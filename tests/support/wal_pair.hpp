// A directory with a main file and a WAL. For tests that derive from it.
#pragma once

#include <fcntl.h>
#include <string>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "test_context.hpp"

namespace sqlbk::test {

class WalPairTest : public testing::Test {
 protected:
  std::string main_path() const { return directory_.file("copy.db"); }
  std::string wal_path() const { return directory_.file("copy.db-wal"); }

  UniqueFd main_with(const Buffer& bytes) const {
    write_file(main_path(), bytes);
    return open_at(AT_FDCWD, main_path(), O_RDWR, 0, main_path());
  }
  UniqueFd wal_with(const Buffer& bytes) const {
    write_file(wal_path(), bytes);
    return open_at(AT_FDCWD, wal_path(), O_RDONLY, 0, wal_path());
  }
  WalScan scan(const Buffer& wal) {
    const UniqueFd fd = wal_with(wal);
    return scan_wal(fd.get(), wal_path(), context_.context);
  }

  void apply(const WalPrefix& prefix, const UniqueFd& wal, const UniqueFd& main) {
    apply_to_main(CommittedView::of_wal({main.get(), main_path()}, {wal.get(), wal_path()}, prefix,
                                        context_.context),
                  main.get(), main_path(), context_.context);
  }

  kit::TemporaryDirectory directory_;
  TestContext context_;
};

}  // namespace sqlbk::test
