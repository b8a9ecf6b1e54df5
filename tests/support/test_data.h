#pragma once

#include <filesystem>
#include <string>

namespace lockstep {

// A folder of this test's own, removed with everything in it at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The root of the source tree: models/ and tests/golden/ lie below it.
std::filesystem::path SourceFolder();

// The program `lockstep` of this build.
std::string BuiltProgram();

// What others have published: tests/data/published.tar.xz as CMake has unpacked it, or another
// folder of that form ($LOCKSTEP_TEST_DATA).
std::filesystem::path LargeDataFolder();

void WriteText(const std::filesystem::path& path, const std::string& bytes);

}  // namespace lockstep
