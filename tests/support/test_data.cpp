#include "tests/support/test_data.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace lockstep {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "lockstep-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder: " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

// Tests that were built elsewhere are told where they are (scripts/gpu_check).
std::filesystem::path SourceFolder() {
  const char* folder = std::getenv("LOCKSTEP_TEST_SOURCE");
  return folder != nullptr ? folder : LOCKSTEP_SOURCE_DIR;
}

std::string BuiltProgram() {
  const char* program = std::getenv("LOCKSTEP_TEST_PROGRAM");
  return program != nullptr ? program : LOCKSTEP_BINARY;
}

std::filesystem::path LargeDataFolder() {
  const char* folder = std::getenv("LOCKSTEP_TEST_DATA");
  return folder != nullptr ? folder : LOCKSTEP_TEST_DATA_DEFAULT;
}

void WriteText(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream << bytes;
  if (!stream) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace lockstep
