#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comm/control_plane.h"
#include "comm/reducer.h"
#include "core/log.h"
#include "layers/kernels/backend.h"

namespace lockstep {

// A device of this host, as its module sees it.
struct DeviceInfo {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string id;    // the same in all processes of the host, and of no other device or slice
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
};

// Bytes or operations per second. An operation is a multiplication or an addition.
struct DeviceRate {
  enum class Kind : std::uint8_t { kRead, kBf16 };
  Kind kind = Kind::kRead;
  double per_second = 0.0;
};

// What a module lends from the program that has opened it.
struct ModuleHost {
  // core/activity.h and core/log.h, of which a module has its own copies.
  std::string (*current_activity)() = nullptr;
  void (*log)(LogLevel level, std::string_view message) = nullptr;
};

// The part of the program that knows one kind of device. It lies in a library of its own that is
// opened when it is asked for, so that one program runs with and without the libraries of that
// device. Everything it makes must be gone before it is.
class DeviceModule {
 public:
  virtual ~DeviceModule() = default;

  virtual void set_host(const ModuleHost& host) = 0;

  // At least one. Throws EnvironmentError saying why there is none.
  virtual int DeviceCount() = 0;
  virtual DeviceInfo Describe(int device) = 0;

  // Computes on that device, from the thread that makes it.
  virtual Backend MakeBackend(int device, const BackendSettings& settings) = 0;

  // What the device of a backend of this module reaches in what it is best at, for benchmarks to
  // compare with: measured anew by each call, in some milliseconds and memory of its own.
  virtual std::vector<DeviceRate> MeasureRates(const Backend& backend) = 0;

  // The sums of the ranks of `group`, each with a backend of this module: made by the devices, in
  // the order of the backend's stream. It borrows the group and the backend's parts, and may use
  // them until it is gone.
  // Collective. Throws EnvironmentError, on every rank, when the module cannot do that.
  virtual std::unique_ptr<Reducer> MakeReducer(ControlPlane& group, const Backend& backend) = 0;
};

// What a module exports. kModuleVersion changes with every change of the interfaces in this file,
// device.h, ops.h, step_runner.h, step_inputs.h, control_plane.h, reducer.h or tensor.h; a module
// of another version is refused.
constexpr const char* kModuleVersion = "lockstep 0.1.0 module 14";
constexpr const char* kModuleVersionSymbol = "LockstepModuleVersion";  // const char* ()
constexpr const char* kModuleSymbol = "LockstepModule";                // DeviceModule* ()

// The CUDA module: from $LOCKSTEP_CUDA_MODULE where that is set, else liblockstep_cuda.so beside
// the program or in ../lib from there. Opened once; stays until the process ends. Throws
// EnvironmentError saying where it was looked for and what was wrong.
DeviceModule& CudaModule();

}  // namespace lockstep
