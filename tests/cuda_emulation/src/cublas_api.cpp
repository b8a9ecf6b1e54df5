// The part of cuBLAS that the project calls.

#include <cublas_v2.h>

#include <cstdio>

#include "cublas_gemm.h"
#include "device_memory.h"
#include "runtime_state.h"
#include "stream.h"

using namespace lockstep::cuda_emulation;

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
  cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
};

namespace {

struct StatusText {
  cublasStatus_t status;
  const char* name;
  const char* text;
};
constexpr StatusText kStatuses[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
     "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
     "an unsupported value or parameter was passed to the function"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED",
     "the GPU program failed to execute"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED",
     "the functionality requested is not supported"},
};

const StatusText* Find(cublasStatus_t status) {
  for (const StatusText& entry : kStatuses) {
    if (entry.status == status) return &entry;
  }
  return nullptr;
}

cublasStatus_t RefuseCall(const char* call, cublasStatus_t status, const std::string& why) {
  std::fprintf(stderr, "cuda emulation: refused: %s: %s\n", call, why.c_str());
  return status;
}

struct ScalarPointers {
  const void* alpha;
  const void* beta;
};

void ReadScalars(const cublasContext& handle, const ScalarPointers& pointers,
                 GemmProblem& problem) {
  GemmScalars& scalars = problem.scalars;
  if (handle.pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    scalars.device_alpha = pointers.alpha;
    scalars.device_beta = pointers.beta;
  } else if (problem.c.type == CUDA_R_32I) {
    scalars.int_alpha = *static_cast<const std::int32_t*>(pointers.alpha);
    scalars.int_beta = *static_cast<const std::int32_t*>(pointers.beta);
  } else {
    scalars.alpha = *static_cast<const float*>(pointers.alpha);
    scalars.beta = *static_cast<const float*>(pointers.beta);
  }
}

cublasStatus_t Gemm(const char* call, cublasHandle_t handle, GemmProblem problem,
                    const ScalarPointers& scalars) {
  const ApiScope scope;
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  std::string why;
  const cublasStatus_t status = CheckGemm(problem, &why);
  if (status != CUBLAS_STATUS_SUCCESS) return RefuseCall(call, status, why);
  if (problem.m == 0 || problem.n == 0 || problem.batch == 0) return CUBLAS_STATUS_SUCCESS;
  const bool device_scalars = handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
  if (scalars.alpha == nullptr || scalars.beta == nullptr ||
      OnDevice(scalars.alpha) != device_scalars || OnDevice(scalars.beta) != device_scalars) {
    return RefuseCall(call, CUBLAS_STATUS_INVALID_VALUE,
                      "alpha or beta does not fit the pointer mode");
  }
  const std::string outside = MatrixOutsideMemory(problem);
  if (!outside.empty()) {
    Fault(cudaErrorIllegalAddress,
          std::string(call) + ": matrix " + outside + " leaves its device allocation");
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  ReadScalars(*handle, scalars, problem);
  const cudaError_t error = Enqueue(handle->stream, call, Once([problem, call] {
                                      const std::string freed = MatrixOutsideMemory(problem);
                                      if (freed.empty()) return RunGemm(problem);
                                      Fault(cudaErrorIllegalAddress,
                                            std::string(call) + ": matrix " + freed + " was freed");
                                    }));
  ++statistics().gemms;
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  cudaDeviceSynchronize();  // as the library does
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  *stream = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  constexpr std::uintptr_t kAlignment = 256;
  const ApiScope scope;
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (bytes == 0) return CUBLAS_STATUS_SUCCESS;
  const bool aligned = reinterpret_cast<std::uintptr_t>(workspace) % kAlignment == 0;
  if (aligned && OnDevice(workspace) && WithinAllocation(workspace, bytes)) {
    return CUBLAS_STATUS_SUCCESS;
  }
  return RefuseCall("cublasSetWorkspace", CUBLAS_STATUS_INVALID_VALUE,
                    "not aligned device memory of that size");
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->math_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  *mode = handle->math_mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->pointer_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->atomics = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  const StatusText* entry = Find(status);
  return entry != nullptr ? entry->name : "unrecognized status";
}

const char* cublasGetStatusString(cublasStatus_t status) {
  const StatusText* entry = Find(status);
  return entry != nullptr ? entry->text : "unrecognized status";
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a,
                                          cublasOperation_t op_b, int m, int n, int k,
                                          const void* alpha, const void* a, cudaDataType a_type,
                                          int lda, long long stride_a, const void* b,
                                          cudaDataType b_type, int ldb, long long stride_b,
                                          const void* beta, void* c, cudaDataType c_type, int ldc,
                                          long long stride_c, int batch,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
  GemmProblem problem;
  problem.m = m;
  problem.n = n;
  problem.k = k;
  problem.batch = batch;
  problem.a = {a, a_type, lda, stride_a, op_a != CUBLAS_OP_N};
  problem.b = {b, b_type, ldb, stride_b, op_b != CUBLAS_OP_N};
  problem.c = {c, c_type, ldc, stride_c, false};
  problem.compute = compute;
  return Gemm("cublasGemmStridedBatchedEx", handle, problem, {alpha, beta});
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                            int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType a_type, int lda, const void* b, cudaDataType b_type,
                            int ldb, const void* beta, void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, a_type, lda, 0, b,
                                    b_type, ldb, 0, beta, c, c_type, ldc, 0, 1, compute, algorithm);
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                              int m, int n, int k, const float* alpha, const float* a, int lda,
                              const float* b, int ldb, const float* beta, float* c, int ldc) {
  return cublasGemmEx(handle, op_a, op_b, m, n, k, alpha, a, CUDA_R_32F, lda, b, CUDA_R_32F, ldb,
                      beta, c, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}
