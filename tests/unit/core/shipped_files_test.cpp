#include "core/files/shipped_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

TEST(ShippedFiles, AreBesideTheFolderOfAnInstalledProgram) {
  const TemporaryFolder prefix;
  fs::create_directories(prefix / "share/lockstep/models/tiny");
  EXPECT_EQ(FindShippedWith(prefix / "bin", "models/tiny"),
            prefix.path() / "share/lockstep/models/tiny");
  EXPECT_EQ(FindShippedWith(prefix / "bin", "models/other"), std::nullopt);
}

TEST(ShippedFiles, AreBelowTheFolderOfAProgramThatWasBuilt) {
  const TemporaryFolder build;
  fs::create_directories(build / "release/share/lockstep/configs");
  EXPECT_EQ(FindShippedWith(build / "release", "configs"),
            build.path() / "release/share/lockstep/configs");
}

TEST(ShippedFiles, ThatAreNotThereHaveNoNames) {
  EXPECT_THAT(ShippedNames("no such folder"), testing::IsEmpty());
}

}  // namespace
}  // namespace lockstep
