// What the program finds in this library (layers/kernels/device_module.h).
#include "layers/kernels/device_module.h"

#include "layers/kernels/cuda/cuda_backend.h"
#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/cuda_ops.h"
#include "layers/kernels/cuda/peers/device_id.h"
#include "layers/kernels/cuda/peers/module_reducer.h"

namespace lockstep::cuda {
namespace {

class CudaDeviceModule final : public DeviceModule {
 public:
  void set_host(const ModuleHost& host) override { host_ = host; }

  int DeviceCount() override {
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    Check(code == cudaSuccess && count == 0 ? cudaErrorNoDevice : code, "cudaGetDeviceCount");
    return count;
  }

  DeviceInfo Describe(int device) override {
    cudaDeviceProp properties{};
    Check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    DeviceInfo info{.name = properties.name, .id = DeviceId(device)};
    Check(cudaSetDevice(device), "cudaSetDevice");
    Check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "cudaMemGetInfo");
    return info;
  }

  Backend MakeBackend(int device, const BackendSettings& settings) override {
    return cuda::MakeBackend(device, settings);
  }

  std::vector<DeviceRate> MeasureRates(const Backend& backend) override {
    return OpsOf(backend).MeasureRates();
  }

  std::unique_ptr<Reducer> MakeReducer(ControlPlane& group, const Backend& backend) override {
    return cuda::MakeReducer(group, backend, host_);
  }

 private:
  ModuleHost host_;
};

}  // namespace
}  // namespace lockstep::cuda

extern "C" {

[[gnu::visibility("default")]] const char* LockstepModuleVersion() {
  return lockstep::kModuleVersion;
}

[[gnu::visibility("default")]] lockstep::DeviceModule* LockstepModule() {
  static lockstep::cuda::CudaDeviceModule module;
  return &module;
}
}
