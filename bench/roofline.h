#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "comm/control_plane.h"
#include "layers/kernels/device_module.h"
#include "layers/kernels/peaks.h"

namespace lockstep {

// Something that bounds the speed of all ranks together.
struct CeilingName {
  std::string name;
  std::string unit;     // "GB/s", "Gop/s": 10^9; an operation is a multiplication or an addition
  bool memory = false;  // reading it; else arithmetic of `kind`
  PeakKind kind = PeakKind::kFp32;
};

// Measures what the machine can do, all of its ranks at the same time.
class CeilingMeter {
 public:
  virtual ~CeilingMeter() = default;

  // The same on every rank: of arithmetic, what all of them have.
  virtual const std::vector<CeilingName>& names() const = 0;

  // Takes about a tenth of a second. Collective; rank 0 gets a value for each name, the others
  // nothing.
  virtual std::vector<double> Measure() = 0;
};

struct ThreadsToMeter {
  int threads = 1;               // of this rank
  std::size_t memory_bytes = 0;  // that this rank reads; more than its caches hold
};

// With the threads that the model runs on. Collective. Takes the memory, in huge pages where there
// are any, each thread its own part.
std::unique_ptr<CeilingMeter> MeterOfThreads(ControlPlane& comm, const ThreadsToMeter& setup);

// With the devices that the model runs on, of this module. Module and backend must outlive it.
std::unique_ptr<CeilingMeter> MeterOfDevices(ControlPlane& comm, DeviceModule& module,
                                             const Backend& backend);

}  // namespace lockstep
