#include "layers/kernels/backend.h"

#include "layers/kernels/cpu/cpu_backend.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/reference/reference_backend.h"

namespace lockstep {

std::unique_ptr<Backend> MakeBackend(BackendKind kind, int threads) {
  if (kind == BackendKind::kReference) return reference::MakeBackend();
  return cpu::MakeBackend(threads);
}

std::string_view InstructionSet(BackendKind kind) {
  if (kind == BackendKind::kReference) return "plain loops";
  return cpu::SelectKernels().name;
}

}  // namespace lockstep
