#include "cublas_gemm.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <vector>

#include "device_memory.h"
#include "sanitizers.h"

namespace lockstep::cuda_emulation {
namespace {

constexpr std::int64_t kRowBlock = 256;  // rows of C at a time: bounds the widened copy of A

std::size_t ElementBytes(cudaDataType type) {
  switch (type) {
    case CUDA_R_32F:
    case CUDA_R_32I: return 4;
    case CUDA_R_16F:
    case CUDA_R_16BF: return 2;
    case CUDA_R_8I: return 1;
    default: return 0;
  }
}

float Load(const void* data, cudaDataType type, std::int64_t i) {
  switch (type) {
    case CUDA_R_32F: return static_cast<const float*>(data)[i];
    case CUDA_R_16F: return __half2float(static_cast<const __half*>(data)[i]);
    case CUDA_R_16BF: return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
    case CUDA_R_8I: return static_cast<float>(static_cast<const std::int8_t*>(data)[i]);
    default: return 0;
  }
}

void Store(void* data, cudaDataType type, std::int64_t i, float value) {
  switch (type) {
    case CUDA_R_32F: static_cast<float*>(data)[i] = value; break;
    case CUDA_R_16F: static_cast<__half*>(data)[i] = __float2half(value); break;
    case CUDA_R_16BF: static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16(value); break;
    default: break;
  }
}

bool IsFloatCompute(cublasComputeType_t compute) {
  return compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_PEDANTIC ||
         compute == CUBLAS_COMPUTE_32F_FAST_TF32 || compute == CUBLAS_COMPUTE_32F_FAST_16BF ||
         compute == CUBLAS_COMPUTE_32F_FAST_16F;
}
bool IsIntCompute(cublasComputeType_t compute) {
  return compute == CUBLAS_COMPUTE_32I || compute == CUBLAS_COMPUTE_32I_PEDANTIC;
}

bool TypesFit(const GemmProblem& p) {
  if (p.a.type != p.b.type) return false;
  const cudaDataType in = p.a.type, out = p.c.type;
  if (IsIntCompute(p.compute)) return in == CUDA_R_8I && out == CUDA_R_32I;
  if (!IsFloatCompute(p.compute)) return false;
  switch (in) {
    case CUDA_R_16BF:
    case CUDA_R_16F: return out == in || out == CUDA_R_32F;
    case CUDA_R_8I:
    case CUDA_R_32F: return out == CUDA_R_32F;
    default: return false;
  }
}

// A matrix as it lies in memory: columns of rows elements.
struct Stored {
  const GemmMatrix* matrix;
  std::int64_t rows, columns;
};
Stored StoredA(const GemmProblem& p) {
  return {&p.a, p.a.transposed ? p.k : p.m, p.a.transposed ? p.m : p.k};
}
Stored StoredB(const GemmProblem& p) {
  return {&p.b, p.b.transposed ? p.n : p.k, p.b.transposed ? p.k : p.n};
}
Stored StoredC(const GemmProblem& p) { return {&p.c, p.m, p.n}; }

bool ReadableOnDevice(const Stored& stored, std::int64_t batch) {
  if (stored.rows == 0 || stored.columns == 0) return true;
  const GemmMatrix& matrix = *stored.matrix;
  const std::int64_t last =
      (batch - 1) * matrix.stride + (stored.columns - 1) * matrix.leading_dimension + stored.rows;
  return WithinAllocation(matrix.data, static_cast<std::size_t>(last) * ElementBytes(matrix.type));
}

const char* At(const GemmMatrix& matrix, std::int64_t element) {
  return static_cast<const char*>(matrix.data) +
         element * static_cast<std::int64_t>(ElementBytes(matrix.type));
}

enum class Access { kRead, kWrite };
void Report(const Stored& stored, std::int64_t batch, Access access) {
  if (!tsan::kEnabled) return;
  const tsan::WatchScope watch;
  const auto bytes = static_cast<std::size_t>(stored.rows) * ElementBytes(stored.matrix->type);
  for (std::int64_t column = 0; column < stored.columns; ++column) {
    const char* p = At(*stored.matrix,
                       batch * stored.matrix->stride + column * stored.matrix->leading_dimension);
    if (access == Access::kRead) tsan::Read(p, bytes);
    if (access == Access::kWrite) tsan::Write(const_cast<char*>(p), bytes);
  }
}

// One product of the batch; matrices start at these addresses.
struct Product {
  const void* a;
  const void* b;
  void* c;
};

// Rows [first, first + rows) of op(A), widened: element (i, l) at [l * rows + i].
std::vector<float> WidenA(const GemmProblem& p, const Product& product, std::int64_t first,
                          std::int64_t rows) {
  std::vector<float> wide(static_cast<std::size_t>(rows * p.k));
  for (std::int64_t l = 0; l < p.k; ++l) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t ld = p.a.leading_dimension;
      const std::int64_t at = p.a.transposed ? l + (first + i) * ld : first + i + l * ld;
      wide[static_cast<std::size_t>(l * rows + i)] = Load(product.a, p.a.type, at);
    }
  }
  return wide;
}

float ElementB(const GemmProblem& p, const Product& product, std::int64_t l, std::int64_t j) {
  const std::int64_t ld = p.b.leading_dimension;
  return Load(product.b, p.b.type, p.b.transposed ? j + l * ld : l + j * ld);
}

void RunRows(const GemmProblem& p, const Product& product, std::int64_t first, std::int64_t rows) {
  const std::vector<float> wide = WidenA(p, product, first, rows);
  std::vector<float> sums(static_cast<std::size_t>(rows));
  for (std::int64_t j = 0; j < p.n; ++j) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::int64_t l = 0; l < p.k; ++l) {
      const float factor = ElementB(p, product, l, j);
      const float* column = wide.data() + l * rows;
      for (std::int64_t i = 0; i < rows; ++i)
        sums[static_cast<std::size_t>(i)] += column[i] * factor;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t at = first + i + j * p.c.leading_dimension;
      float value = p.scalars.alpha * sums[static_cast<std::size_t>(i)];
      if (p.scalars.beta != 0) value += p.scalars.beta * Load(product.c, p.c.type, at);
      Store(product.c, p.c.type, at, value);
    }
  }
}

void RunIntegers(const GemmProblem& p, const Product& product) {
  const auto* a = static_cast<const std::int8_t*>(product.a);
  const auto* b = static_cast<const std::int8_t*>(product.b);
  const std::int64_t lda = p.a.leading_dimension, ldb = p.b.leading_dimension;
  for (std::int64_t j = 0; j < p.n; ++j) {
    for (std::int64_t i = 0; i < p.m; ++i) {
      std::int32_t sum = 0;
      for (std::int64_t l = 0; l < p.k; ++l) {
        sum += a[p.a.transposed ? l + i * lda : i + l * lda] *
               b[p.b.transposed ? j + l * ldb : l + j * ldb];
      }
      std::int32_t& c = static_cast<std::int32_t*>(product.c)[i + j * p.c.leading_dimension];
      c = p.scalars.int_alpha * sum + (p.scalars.int_beta != 0 ? p.scalars.int_beta * c : 0);
    }
  }
}

GemmProblem WithScalarsRead(const GemmProblem& problem) {
  GemmProblem p = problem;
  if (p.scalars.device_alpha == nullptr) return p;
  p.scalars.alpha = *static_cast<const float*>(p.scalars.device_alpha);
  p.scalars.beta = *static_cast<const float*>(p.scalars.device_beta);
  p.scalars.int_alpha = *static_cast<const std::int32_t*>(p.scalars.device_alpha);
  p.scalars.int_beta = *static_cast<const std::int32_t*>(p.scalars.device_beta);
  return p;
}

}  // namespace

cublasStatus_t CheckGemm(const GemmProblem& p, std::string* why) {
  const auto refuse = [why](cublasStatus_t status, const char* text) {
    *why = text;
    return status;
  };
  if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0) {
    return refuse(CUBLAS_STATUS_INVALID_VALUE, "a size is negative");
  }
  for (const Stored& stored : {StoredA(p), StoredB(p), StoredC(p)}) {
    if (stored.matrix->leading_dimension < std::max<std::int64_t>(1, stored.rows)) {
      return refuse(CUBLAS_STATUS_INVALID_VALUE, "a leading dimension is smaller than the rows");
    }
  }
  if (!TypesFit(p)) return refuse(CUBLAS_STATUS_NOT_SUPPORTED, "the types do not go together");
  const bool unaligned =
      (p.a.leading_dimension | p.b.leading_dimension) % 4 != 0 ||
      (reinterpret_cast<std::uintptr_t>(p.a.data) | reinterpret_cast<std::uintptr_t>(p.b.data)) %
              4 !=
          0;
  if (p.a.type == CUDA_R_8I && unaligned) {
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED,
                  "int8 matrices need addresses and leading dimensions divisible by 4");
  }
  return CUBLAS_STATUS_SUCCESS;
}

std::string MatrixOutsideMemory(const GemmProblem& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return "";
  if (!ReadableOnDevice(StoredA(p), p.batch)) return "A";
  if (!ReadableOnDevice(StoredB(p), p.batch)) return "B";
  return ReadableOnDevice(StoredC(p), p.batch) ? "" : "C";
}

void RunGemm(const GemmProblem& problem) {
  const DeviceAccess access;
  const GemmProblem p = WithScalarsRead(problem);
  for (std::int64_t batch = 0; batch < p.batch; ++batch) {
    Report(StoredA(p), batch, Access::kRead);
    Report(StoredB(p), batch, Access::kRead);
    Report(StoredC(p), batch, Access::kWrite);
    const Product product{At(p.a, batch * p.a.stride), At(p.b, batch * p.b.stride),
                          const_cast<char*>(At(p.c, batch * p.c.stride))};
    if (IsIntCompute(p.compute)) {
      RunIntegers(p, product);
      continue;
    }
    for (std::int64_t row = 0; row < p.m; row += kRowBlock) {
      RunRows(p, product, row, std::min(kRowBlock, p.m - row));
    }
  }
}

}  // namespace lockstep::cuda_emulation
