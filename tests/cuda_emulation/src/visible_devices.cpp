#include "visible_devices.h"

#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>

#include "lockstep_emulation/control.h"

namespace lockstep::cuda_emulation {
namespace {

EmulatedDevice WholeDevice(int place) {
  return {place, static_cast<std::uint64_t>(place) + 1, false};
}

std::vector<EmulatedDevice> AllDevices() {
  std::vector<EmulatedDevice> devices;
  for (int place = 0; place < settings().device_count; ++place)
    devices.push_back(WholeDevice(place));
  return devices;
}

// As the driver: what stands behind an entry that means nothing is not seen either.
std::vector<EmulatedDevice> NamedDevices(const std::string& list) {
  std::vector<EmulatedDevice> devices;
  std::istringstream entries(list);
  for (std::string entry; std::getline(entries, entry, ',');) {
    if (entry.starts_with("MIG-"))
      return {{0, std::hash<std::string>()(entry) | std::uint64_t{1} << 63, true}};
    char* end = nullptr;
    const long place = std::strtol(entry.c_str(), &end, 10);
    if (end == entry.c_str() || *end != '\0' || place < 0 || place >= settings().device_count)
      break;
    devices.push_back(WholeDevice(static_cast<int>(place)));
  }
  return devices;
}

}  // namespace

// Anew while nothing is named: tests change the number of devices.
const std::vector<EmulatedDevice>& VisibleDevices() {
  static std::vector<EmulatedDevice> devices;
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) {
    if (static_cast<int>(devices.size()) != settings().device_count) devices = AllDevices();
  } else if (devices.empty()) {
    devices = NamedDevices(list);
  }
  return devices;
}

int DeviceCount() { return static_cast<int>(VisibleDevices().size()); }

}  // namespace lockstep::cuda_emulation
