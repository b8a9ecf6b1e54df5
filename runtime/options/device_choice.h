#pragma once

#include <cstdint>

namespace lockstep {

// parallel.device: what ranks compute with. kAuto: GPUs, where every rank has one and they can do
// what is asked; else the processor, and why is said.
enum class DeviceChoice : std::uint8_t { kAuto, kCpu, kCuda };

}  // namespace lockstep
