#pragma once
// The one way in which kernels are launched. Included by <cuda_runtime.h>.

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace lockstep::cuda_emulation {

// Checks the configuration and queues the grid; body runs once for each of its threads.
cudaError_t LaunchKernel(const cudaLaunchConfig_t& config, const void* kernel,
                         std::function<void()> body);
// A pointer parameter must lie in live memory that the device can reach; otherwise a fault.
void CheckPointerArgument(const void* kernel, int index, const void* pointer);

template <class Tuple>
void CheckPointerArguments(const void* kernel, const Tuple& arguments) {
  int index = 0;
  const auto check = [&](const auto& argument) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(argument)>>) {
      CheckPointerArgument(kernel, index, argument);
    }
    ++index;
  };
  std::apply([&](const auto&... argument) { (check(argument), ...); }, arguments);
}

}  // namespace lockstep::cuda_emulation

// As the toolkit's template: arguments are converted to the kernel's parameter types and copied.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "kernel parameters are copied byte by byte");
  static_assert((!std::is_reference_v<Parameters> && ...),
                "a kernel cannot take a reference: the host's object is not on the device");
  const auto* address = reinterpret_cast<const void*>(kernel);
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  lockstep::cuda_emulation::CheckPointerArguments(address, values);
  return lockstep::cuda_emulation::LaunchKernel(*config, address,
                                                [kernel, values] { std::apply(kernel, values); });
}
