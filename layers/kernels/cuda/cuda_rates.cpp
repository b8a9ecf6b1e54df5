#include "layers/kernels/cuda/cuda_rates.h"

#include <algorithm>
#include <functional>

#include "layers/kernels/cuda/cuda_check.h"
#include "layers/kernels/cuda/kernels/kernels.h"

namespace lockstep::cuda {
namespace {

constexpr int kTurns = 3;
// So that any device takes about as long, and an emulated one's few processors not for ever.
constexpr std::int64_t kReadBytesPerProcessor = std::int64_t{8} << 20;
constexpr std::int64_t kSidePerProcessor = 64;

class Stopwatch {
 public:
  explicit Stopwatch(CudaStream& stream) : stream_(stream) {
    for (cudaEvent_t& event : events_) Check(cudaEventCreate(&event), "cudaEventCreate");
  }
  ~Stopwatch() {
    for (const cudaEvent_t event : events_) static_cast<void>(cudaEventDestroy(event));
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // The shortest of a few turns, after one that is not counted.
  double LeastSeconds(const std::function<void()>& work) {
    double least = 1e30;
    work();
    for (int turn = 0; turn < kTurns; ++turn) {
      float milliseconds = 0.0f;
      Check(cudaEventRecord(events_[0], stream_.get()), "cudaEventRecord");
      work();
      Check(cudaEventRecord(events_[1], stream_.get()), "cudaEventRecord");
      stream_.WaitFor(events_[1]);
      Check(cudaEventElapsedTime(&milliseconds, events_[0], events_[1]), "cudaEventElapsedTime");
      least = std::min(least, std::max(1e-3 * static_cast<double>(milliseconds), 1e-9));
    }
    return least;
  }

 private:
  CudaStream& stream_;
  cudaEvent_t events_[2] = {};
};

double ReadRate(std::int64_t processors, CudaStream& stream) {
  const std::int64_t bytes = processors * kReadBytesPerProcessor;
  const Tensor memory = DeviceTensor(DType::kI32, {bytes / 4 + 4});
  auto* words = memory.view().data<std::int32_t>();
  Check(cudaMemsetAsync(words, 0, memory.view().bytes(), stream.get()), "cudaMemsetAsync");
  const ReadMemoryArgs args{
      .memory = words, .bytes = bytes, .found = reinterpret_cast<unsigned*>(words) + bytes / 4};
  return static_cast<double>(bytes) / Stopwatch(stream).LeastSeconds([&] {
    ReadMemory(args, static_cast<int>(4 * processors), stream.get());
  });
}

double ProductRate(std::int64_t processors, CudaStream& stream, Cublas& cublas) {
  const std::int64_t side = processors * kSidePerProcessor;
  const Tensor a = DeviceTensor(DType::kBF16, {side, side});
  const Tensor b = DeviceTensor(DType::kBF16, {side, side});
  const Tensor c = DeviceTensor(DType::kBF16, {side, side});
  Scatter({.y = a.view().raw(), .count = side * side}, stream.get());
  Scatter({.y = b.view().raw(), .count = side * side}, stream.get());
  const float one = 1.0f, zero = 0.0f;
  const int n = static_cast<int>(side);
  const double seconds = Stopwatch(stream).LeastSeconds([&] {
    Check(cublasGemmEx(cublas.handle(), CUBLAS_OP_T, CUBLAS_OP_N, n, n, n, &one, a.view().raw(),
                       CUDA_R_16BF, n, b.view().raw(), CUDA_R_16BF, n, &zero, c.view().raw(),
                       CUDA_R_16BF, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  });
  const auto wide = static_cast<double>(side);
  return 2.0 * wide * wide * wide / seconds;
}

}  // namespace

std::vector<DeviceRate> MeasureDeviceRates(CudaStream& stream, Cublas& cublas) {
  int processors = 0;
  Check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, stream.device()),
        "cudaDeviceGetAttribute");
  return {{DeviceRate::Kind::kRead, ReadRate(processors, stream)},
          {DeviceRate::Kind::kBf16, ProductRate(processors, stream, cublas)}};
}

}  // namespace lockstep::cuda
