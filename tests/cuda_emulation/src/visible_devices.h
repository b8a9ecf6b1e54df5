#pragma once
// Which of the machine's devices this process sees.

#include <cstdint>
#include <vector>

namespace lockstep::cuda_emulation {

struct EmulatedDevice {
  int place = 0;          // of the machine's
  std::uint64_t id = 0;   // what its UUID is made of
  bool is_slice = false;  // of a device, beside others: its memory is nobody else's to open
};

// Those that CUDA_VISIBLE_DEVICES names: numbers, or slices by any name that begins with MIG-,
// which are of device 0, and of which a process sees the first alone. Without it all that
// settings() have.
const std::vector<EmulatedDevice>& VisibleDevices();
int DeviceCount();

}  // namespace lockstep::cuda_emulation
