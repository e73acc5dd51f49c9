#include "sqlbk/core/reflink_support.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

// What is said without a try is what a try says.
void expect_agreement(const std::string& place) {
  const kit::TemporaryDirectory directory(place);
  test::write_text(directory.file("in"), std::string(8192, 'x'));
  const UniqueFd in = open_at(AT_FDCWD, directory.file("in"), O_RDONLY, 0, "in");
  const UniqueFd out = open_at(AT_FDCWD, directory.file("out"), O_RDWR | O_CREAT, 0600, "out");
  const bool works = sys().ficlone(out.get(), in.get()) == 0;
  switch (reflink_support(in.get())) {
    case ReflinkSupport::no:
      EXPECT_FALSE(works) << place;
      break;
    case ReflinkSupport::likely:
      EXPECT_TRUE(works) << place;
      break;
    case ReflinkSupport::unknown:
      break;
  }
}

TEST(ReflinkSupport, AgreesWithATry) {
  expect_agreement("");
  expect_agreement(test::memory_directory());
}

TEST(ReflinkSupport, WhatCannotBeAskedIsUnknown) {
  EXPECT_EQ(reflink_support(-1), ReflinkSupport::unknown);
}

}  // namespace
}  // namespace sqlbk
