#include "sqlbk/core/registry.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "errors.hpp"

namespace sqlbk {
namespace {

using test::code_of;
using test::error_of;

class FakeStrategy final : public CopyStrategy {
 public:
  FakeStrategy(std::string name, Suitability answer)
      : name_(std::move(name)), answer_(std::move(answer)) {}
  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override { return "a fake"; }
  StrategyTraits traits() const noexcept override { return {}; }
  Suitability probe(const SourceFacts&) const override { return answer_; }
  Evidence attempt(LiveFiles&, StagedImage&, const CopyOptions&, RunContext&) override {
    return {};
  }

 private:
  std::string name_;
  Suitability answer_;
};

class FakeStep final : public PostStep {
 public:
  explicit FakeStep(std::string name) : name_(std::move(name)) {}
  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override { return {}; }
  StepReport run(StagedImage&, RunContext&) override { return {}; }

 private:
  std::string name_;
};

StrategyEntry strategy(const std::string& spec) {
  return {spec, [spec] { return std::make_unique<FakeStrategy>(spec, Suitability{}); }};
}
StepEntry step(const std::string& name, const std::string& argument) {
  return {name, argument, "a fake", [name](const std::string& given) {
            return std::make_unique<FakeStep>(name + "(" + given + ")");
          }};
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    registry_.add(strategy("one+range"));
    registry_.add(strategy("two"));
    registry_.add(step("plain", ""));
    registry_.add(step("mode", "a|b"));
  }
  Registry registry_;
};

TEST_F(RegistryTest, MakesWhatIsAskedFor) {
  EXPECT_EQ(registry_.strategy("one+range")->name(), "one+range");
  EXPECT_EQ(registry_.strategy("two")->name(), "two");
  EXPECT_NE(registry_.strategy("two"), registry_.strategy("two")) << "a new one each time";
  EXPECT_EQ(registry_.step("plain")->name(), "plain()");
}

TEST_F(RegistryTest, KeepsTheOrder) {
  ASSERT_EQ(registry_.strategies().size(), 2U);
  EXPECT_EQ(registry_.strategies()[0].spec, "one+range");
  EXPECT_EQ(registry_.strategies()[1].spec, "two");
  ASSERT_EQ(registry_.steps().size(), 2U);
  EXPECT_EQ(registry_.steps()[0].name, "plain");
}

TEST_F(RegistryTest, AnUnknownNameIsAUsageErrorThatListsTheKnownOnes) {
  for (const std::string spec : {"", "one", "one+", "TWO", "two "}) {
    const auto error = error_of([&] { registry_.strategy(spec); });
    ASSERT_TRUE(error) << spec;
    EXPECT_EQ(error->code(), Errc::usage);
    EXPECT_EQ(error->hint(), "one of: one+range, two");
    EXPECT_NE(std::string(error->what()).find("'" + spec + "'"), std::string::npos);
  }
  const auto error = error_of([&] { registry_.step("plane=1"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::usage);
  EXPECT_EQ(error->hint(), "one of: plain, mode");
  EXPECT_NE(std::string(error->what()).find("'plane'"), std::string::npos);
}

TEST_F(RegistryTest, StepsTakeTheirArgumentBehindTheEqualsSign) {
  EXPECT_EQ(registry_.step("mode=a")->name(), "mode(a)");
  EXPECT_EQ(registry_.step("mode")->name(), "mode()");
  EXPECT_EQ(registry_.step("mode=")->name(), "mode()");
  EXPECT_EQ(registry_.step("mode=a=b")->name(), "mode(a=b)");
  EXPECT_EQ(code_of([&] { registry_.step("plain=1"); }), Errc::usage) << "it takes none";
  EXPECT_EQ(code_of([&] { registry_.step("plain="); }), Errc::usage);
}

TEST_F(RegistryTest, ATakenNameIsRefused) {
  EXPECT_EQ(code_of([&] { registry_.add(strategy("two")); }), Errc::usage);
  EXPECT_EQ(code_of([&] { registry_.add(step("mode", "")); }), Errc::usage);
  EXPECT_EQ(registry_.strategies().size(), 2U);
  EXPECT_EQ(registry_.steps().size(), 2U);
  EXPECT_EQ(code_of([&] { registry_.add(step("two", "")); }), std::nullopt)
      << "a step and a strategy may share a name";
}

TEST(CopyStrategyDefaults, ExplainTellsWhatProbeAnswers) {
  const auto line = [](Suitability answer) {
    const auto lines = FakeStrategy("fake", std::move(answer)).explain({});
    return lines.size() == 1 ? lines.front() : "";
  };
  EXPECT_EQ(line({}), "fake: as asked for");
  EXPECT_EQ(line({true, "it is there"}), "fake: as asked for, because it is there");
  EXPECT_EQ(line(Suitability::no("it is not")),
            "fake: would refuse this source, because it is not");
}

}  // namespace
}  // namespace sqlbk
