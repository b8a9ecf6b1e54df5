#include "layers/kernels/cuda/peers/device_id.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "layers/kernels/cuda/cuda_check.h"

namespace lockstep::cuda {
namespace {

// The entry of a list with commas; "" where there are not so many.
std::string_view EntryOf(std::string_view list, int index) {
  for (; index > 0; --index) {
    const std::size_t comma = list.find(',');
    if (comma == std::string_view::npos) return "";
    list.remove_prefix(comma + 1);
  }
  return list.substr(0, list.find(','));
}

std::string UuidText(const cudaUUID_t& uuid) {
  std::string text = "GPU";
  for (std::size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

}  // namespace

std::string DeviceId(int device) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string_view named = EntryOf(visible != nullptr ? visible : "", device);
  if (named.starts_with("MIG-")) return std::string(named);
  cudaDeviceProp properties{};
  Check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return UuidText(properties.uuid);
}

}  // namespace lockstep::cuda
