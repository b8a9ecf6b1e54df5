#include "layers/kernels/device_module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/activity.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

constexpr const char* kVariable = "LOCKSTEP_CUDA_MODULE";
constexpr const char* kFile = "liblockstep_cuda.so";

std::filesystem::path FindModule() {
  if (const char* named = std::getenv(kVariable); named != nullptr && *named != '\0') {
    if (FileExists(named)) return named;
    throw EnvironmentError("{}={}: there is no such file", kVariable, named);
  }
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto& path : {folder / kFile, folder.parent_path() / "lib" / kFile})
    if (std::filesystem::exists(path, ignored)) return path;
  throw EnvironmentError(
      "there is no {0} in {1} nor in {2}: this lockstep was built without CUDA; build it where "
      "there is a CUDA toolkit, or name the file in {3}",
      kFile, folder.string(), (folder.parent_path() / "lib").string(), kVariable);
}

void* Find(void* library, const char* symbol, const std::filesystem::path& path) {
  void* found = ::dlsym(library, symbol);
  if (found == nullptr)
    throw EnvironmentError("{}: no module of lockstep: it has no {}", path.string(), symbol);
  return found;
}

DeviceModule& Open(const std::filesystem::path& path) {
  // Every symbol now: one that is missing is better found here than in the middle of a step.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw EnvironmentError(
        "{} cannot be opened: {}; the CUDA libraries that it needs have to be where the dynamic "
        "linker looks (LD_LIBRARY_PATH, ldconfig)",
        path.string(), why != nullptr ? why : "unknown");
  }
  const auto version =
      reinterpret_cast<const char* (*)()>(Find(library, kModuleVersionSymbol, path));
  if (std::string_view(version()) != kModuleVersion)
    throw EnvironmentError("{} is \"{}\", this program needs \"{}\"; install both from one build",
                           path.string(), version(), kModuleVersion);
  const auto module = reinterpret_cast<DeviceModule* (*)()>(Find(library, kModuleSymbol, path));
  DeviceModule& opened = *module();
  opened.set_host({.current_activity = &CurrentActivity, .log = &WriteLog});
  return opened;
}

}  // namespace

DeviceModule& CudaModule() {
  static DeviceModule& module = Open(FindModule());
  return module;
}

}  // namespace lockstep
