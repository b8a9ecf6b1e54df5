#include "launcher/commands/environment_facts.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "api/api_key.h"
#include "bench/result_about.h"
#include "comm/mpi/mpi_probe.h"
#include "core/control_groups.h"
#include "core/error.h"
#include "core/files/own_program.h"
#include "core/memory_pools.h"
#include "core/threads/affinity.h"
#include "core/version.h"
#include "layers/kernels/backend.h"
#include "layers/kernels/device_module.h"
#include "runtime/spawn/spawn.h"

extern char** environ;

namespace lockstep {
namespace {

using Facts = nlohmann::ordered_json;

// Text, or null where there is none.
Facts OrNull(const std::string& text) { return text.empty() ? Facts() : Facts(text); }

std::string Compiler() {
#ifdef __clang__
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

// What stands behind "PRETTY_NAME=".
std::string Distribution() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kName = "PRETTY_NAME=";
    if (!line.starts_with(kName)) continue;
    std::string name = line.substr(kName.size());
    std::erase(name, '"');
    return name;
  }
  return "";
}

Facts SystemFacts() {
  utsname system = {};
  ::uname(&system);
  return {{"distribution", OrNull(Distribution())},
          {"kernel", std::string(system.sysname) + " " + system.release},
          {"architecture", system.machine},
          {"libc", std::string("glibc ") + ::gnu_get_libc_version()}};
}

Facts MpiFacts() {
  std::string library = MpiLibrary();
  library.resize(std::min(library.find('\n'), library.size()));
  const std::string names[] = {"mpirun", "mpiexec"};
  const char* path = std::getenv("PATH");
  return {{"library", OrNull(library)},
          {"mpirun", OrNull(FindProgram(names, path == nullptr ? "" : path))}};
}

Facts ProcessorFacts() {
  return {{"name", OrNull(ProcessorName())},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"usable_cores", AllowedCores().size()},
          {"instruction_set", InstructionSet(BackendKind::kCpu)}};
}

Facts MemoryFacts() {
  Facts facts = {{"total_bytes",
                  static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE)}};
  for (const MemoryPool& pool : MemoryPools())
    facts["free_bytes"][pool.name] = static_cast<std::int64_t>(pool.free_bytes);
  return facts;
}

Facts LimitFacts() {
  constexpr std::pair<const char*, __rlimit_resource> kLimits[] = {
      {"address_space_bytes", RLIMIT_AS}, {"data_bytes", RLIMIT_DATA},
      {"locked_bytes", RLIMIT_MEMLOCK},   {"stack_bytes", RLIMIT_STACK},
      {"file_bytes", RLIMIT_FSIZE},       {"open_files", RLIMIT_NOFILE},
      {"processes", RLIMIT_NPROC}};
  Facts facts = Facts::object();
  for (const auto& [name, which] : kLimits) {
    rlimit limit = {};
    ::getrlimit(which, &limit);
    facts[name] = limit.rlim_cur == RLIM_INFINITY ? Facts("unlimited") : Facts(limit.rlim_cur);
  }
  return facts;
}

Facts GroupFacts() {
  Facts facts = Facts::object();
  for (const GroupLimit& limit : GroupCpuLimits()) facts["cores"][limit.folder] = limit.amount;
  for (const GroupLimit& limit : GroupMemoryLeft())
    facts["free_bytes"][limit.folder] = static_cast<std::int64_t>(limit.amount);
  return facts;
}

// A version that a library gives as a number: 12040 of CUDA, 22005 of NCCL. Null where the library
// cannot be opened. `flags`: RTLD_NOLOAD for one that the CUDA module has to have opened.
Facts LibraryVersion(const char* library, const char* function, int flags) {
  void* handle = ::dlopen(library, RTLD_LAZY | RTLD_LOCAL | flags);
  if (handle == nullptr) return {};
  int version = 0;
  const auto call = reinterpret_cast<int (*)(int*)>(::dlsym(handle, function));
  const bool known = call != nullptr && call(&version) == 0;
  ::dlclose(handle);
  return known ? Facts(version) : Facts();
}

Facts CudaFacts() {
  Facts facts = {
      {"module", nullptr}, {"driver", nullptr}, {"nccl", nullptr}, {"gpus", Facts::array()}};
  facts["driver"] = LibraryVersion("libcuda.so.1", "cuDriverGetVersion", 0);
  try {
    DeviceModule& module = CudaModule();
    facts["module"] = "loaded";
    facts["nccl"] = LibraryVersion("libnccl.so.2", "ncclGetVersion", RTLD_NOLOAD);
    const int count = module.DeviceCount();
    for (int i = 0; i < count; ++i) {
      const DeviceInfo info = module.Describe(i);
      facts["gpus"].push_back({{"name", info.name},
                               {"total_bytes", info.total_bytes},
                               {"free_bytes", info.free_bytes}});
    }
  } catch (const Error& error) {
    facts[facts["module"].is_null() ? "module" : "gpus"] = error.what();
  }
  return facts;
}

// What changes how the program, MPI and CUDA behave. Never a key.
Facts VariableFacts() {
  Facts facts = Facts::object();
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const std::string name(variable.substr(0, variable.find('=')));
    const bool counts = name.starts_with("LOCKSTEP_") || name.starts_with("OMPI_MCA_") ||
                        name.starts_with("PRTE_MCA_") || name.starts_with("NCCL_") ||
                        name == "CUDA_VISIBLE_DEVICES" || name == "HF_HOME" ||
                        name == "HF_HUB_CACHE" || name == "XDG_CACHE_HOME" ||
                        name == "OMP_NUM_THREADS";
    if (!counts || name == kApiKeyVariable) continue;
    facts[name] = std::string(variable.substr(std::min(name.size() + 1, variable.size())));
  }
  return facts;
}

std::string TextOfValue(const Facts& value) {
  if (value.is_null()) return "none";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return value.dump(-1, ' ', false, Facts::error_handler_t::replace);
  std::string text;
  for (const auto& [name, member] : value.items())
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, TextOfValue(member));
  return text;
}

}  // namespace

nlohmann::ordered_json EnvironmentFacts() {
  return {{"lockstep",
           {{"version", Version()},
            {"commit", OrNull(SourceCommit())},
            {"compiler", Compiler()},
            {"program", OwnProgram().string()}}},
          {"system", SystemFacts()},
          {"mpi", MpiFacts()},
          {"processor", ProcessorFacts()},
          {"memory", MemoryFacts()},
          {"limits", LimitFacts()},
          {"control_groups", GroupFacts()},
          {"cuda", CudaFacts()},
          {"variables", VariableFacts()}};
}

std::string EnvironmentText(const nlohmann::ordered_json& facts) {
  std::string text;
  for (const auto& [section, values] : facts.items()) {
    text += section + ":" + (values.empty() ? " none\n" : "\n");
    for (const auto& [name, value] : values.items()) {
      if (!value.is_array()) {
        text += fmt::format("  {}: {}\n", name, TextOfValue(value));
        continue;
      }
      text += fmt::format("  {}:{}\n", name, value.empty() ? " none" : "");
      for (const Facts& item : value) text += fmt::format("    {}\n", TextOfValue(item));
    }
  }
  return text;
}

}  // namespace lockstep
