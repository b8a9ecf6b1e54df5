#include "layers/kernels/backend.h"

#include "layers/kernels/cpu/cpu_ops.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/host_backend.h"
#include "layers/kernels/reference/reference_ops.h"

namespace lockstep {

Backend MakeBackend(BackendKind kind, int threads) {
  if (kind == BackendKind::kReference) return MakeHostBackend(reference::MakeOps());
  return MakeHostBackend(cpu::MakeOps(threads));
}

std::string_view InstructionSet(BackendKind kind) {
  if (kind == BackendKind::kReference) return "plain loops";
  return cpu::SelectKernels().name;
}

bool MultipliesBf16(BackendKind kind) {
  return kind == BackendKind::kCpu && cpu::SelectKernels().multiplies_bf16;
}

}  // namespace lockstep
