#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Error, CarriesTheExitCodeOfItsKind) {
  EXPECT_EQ(BadInput("x").code(), ExitCode::kBadInput);
  EXPECT_EQ(EnvironmentError("x").code(), ExitCode::kEnvironment);
}

TEST(Error, ExitCodesAreTheDocumentedNumbers) {
  EXPECT_EQ(static_cast<int>(ExitCode::kOk), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::kInternal), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::kBadInput), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::kEnvironment), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::kRankFailure), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::kInterrupted), 130);
}

TEST(Error, FormatsItsMessage) {
  EXPECT_STREQ(BadInput("{}: {} heads", "plan", 12).what(), "plan: 12 heads");
}

TEST(Check, PassesSilentlyAndEvaluatesItsConditionOnce) {
  int evaluations = 0;
  LOCKSTEP_CHECK(++evaluations == 1, "evaluations {}", evaluations);
  EXPECT_EQ(evaluations, 1);
}

TEST(Check, NamesPlaceConditionAndDetailWhenItFails) {
  const int rows = -3;
  try {
    LOCKSTEP_CHECK(rows > 0, "rows {}", rows);
    FAIL() << "the check let a negative row count pass";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInternal);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("error_test.cpp:"), HasSubstr("rows > 0"),
                                    HasSubstr("rows -3"), HasSubstr("please report")));
  }
}

// What the library throws, as an Error.
template <typename Thrown>
Error Described(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return CurrentError();
  }
}

TEST(CurrentError, AFileOrAThreadThatIsRefusedIsTheEnvironments) {
  const Error file = Described(std::filesystem::filesystem_error(
      "cannot get status", "private/x", std::make_error_code(std::errc::permission_denied)));
  EXPECT_EQ(file.code(), ExitCode::kEnvironment);
  EXPECT_STREQ(file.what(), "private/x: Permission denied");
  EXPECT_EQ(
      Described(std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)))
          .code(),
      ExitCode::kEnvironment);
  EXPECT_EQ(Described(std::bad_alloc()).code(), ExitCode::kEnvironment);
  EXPECT_EQ(Described(BadInput("x")).code(), ExitCode::kBadInput);
  EXPECT_EQ(Described(std::runtime_error("x")).code(), ExitCode::kInternal);
}

}  // namespace
}  // namespace lockstep
