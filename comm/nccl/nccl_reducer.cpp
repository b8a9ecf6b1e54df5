#include "comm/nccl/nccl_reducer.h"

#include <cstring>
#include <exception>

#include "comm/watchdog.h"

namespace lockstep {

bool HasNccl() { return true; }

namespace {

bool Failed(ncclResult_t code) { return code != ncclSuccess && code != ncclInProgress; }

}  // namespace

std::unique_ptr<DeviceReducer> MakeNcclReducer(ControlPlane& group, SummingDevice device) {
  return std::make_unique<NcclReducer>(group, std::move(device));
}

NcclReducer::NcclReducer(ControlPlane& group, SummingDevice device)
    : DeviceReducer(group, std::move(device)) {
  int version = 0;
  ncclGetVersion(&version);
  transport_ = fmt::format("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  try {
    Join();
  } catch (...) {
    if (comm_ != nullptr) ncclCommAbort(comm_);
    throw;
  }
  device_.set_liveness_check([this](double waited_seconds) { Watch(waited_seconds); });
}

NcclReducer::~NcclReducer() {
  device_.set_liveness_check(nullptr);
  // NCCL does not let go of a communicator while there are graphs with its sums.
  device_.forget_steps();
  if (comm_ == nullptr) return;
  // Leaving in good order would wait for peers that do not come.
  if (std::uncaught_exceptions() > 0)
    ncclCommAbort(comm_);
  else
    Leave();
}

void NcclReducer::Leave() {
  const CallWatch::Call call(calls_, group_.deadline_seconds());
  const ncclResult_t state = ncclCommFinalize(comm_);
  if (calls_.fired()) return;
  static_cast<void>(state == ncclSuccess ? ncclCommDestroy(comm_) : ncclCommAbort(comm_));
}

void NcclReducer::Join() {
  ncclUniqueId id{};
  ControlPlane::Bytes bytes(sizeof(id));
  ncclResult_t code = ncclSuccess;
  if (rank() == 0) code = ncclGetUniqueId(&id);
  std::memcpy(bytes.data(), &id, sizeof(id));
  if (code != ncclSuccess) bytes.clear();  // so that the peers know
  group_.Broadcast(bytes);
  if (bytes.size() != sizeof(id))
    throw EnvironmentError("ncclGetUniqueId on rank 0 failed: {}; NCCL_DEBUG=INFO says more",
                           rank() == 0 ? ncclGetLastError(nullptr) : "see there");
  std::memcpy(&id, bytes.data(), sizeof(id));
  // Whoever has not come this far is named by this; the call itself can only be ended with the
  // process, as there is nothing to abort before it returns.
  group_.Barrier();
  const double seconds = group_.deadline_seconds();
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 1;
  {
    const Watchdog watchdog(
        seconds, {static_cast<int>(ExitCode::kRankFailure),
                  [seconds, text = fmt::format("rank {} on {}", rank(), host(rank()))] {
                    return fmt::format(
                        "ncclCommInitRankConfig, {}: did not end within {:g} s, though every rank "
                        "has called it; NCCL_SOCKET_IFNAME names the network that NCCL is to use, "
                        "NCCL_DEBUG=INFO says more",
                        text, seconds);
                  }});
    code = ncclCommInitRankConfig(&comm_, size(), id, rank(), &config);
  }
  if (code != ncclSuccess)
    Fail(fmt::format("ncclCommInitRankConfig: {} ({})", ncclGetErrorString(code),
                     ncclGetLastError(comm_)));
}

void NcclReducer::Call(const char* name, const std::function<ncclResult_t()>& call) {
  const double seconds = group_.deadline_seconds();
  ncclResult_t code = ncclSuccess;
  {
    const CallWatch::Call watched(calls_, seconds);
    code = call();
  }
  if (calls_.fired()) {
    comm_ = nullptr;
    Fail(fmt::format("{} did not return within {:g} s", name, seconds));
  }
  if (code != ncclSuccess)
    Fail(fmt::format("{}: {} ({})", name, ncclGetErrorString(code), ncclGetLastError(comm_)));
}

void NcclReducer::AllReduceSum(const TensorView& x, Stream stream) {
  LOCKSTEP_CHECK(comm_ != nullptr, "a collective after one that failed");
  LOCKSTEP_CHECK(stream.handle != nullptr, "NCCL adds in the order of a stream");
  auto* values = x.data<float>();
  CountSum(x.elements());
  Call("ncclAllReduce", [&] {
    return ncclAllReduce(values, values, static_cast<std::size_t>(x.elements()), ncclFloat, ncclSum,
                         comm_, static_cast<cudaStream_t>(stream.handle));
  });
}

void NcclReducer::Watch(double waited_seconds) {
  if (comm_ == nullptr) return;
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (Failed(asked)) state = asked;
  if (Failed(state))
    Fail(fmt::format("{} ({})", ncclGetErrorString(state), ncclGetLastError(comm_)));
  if (waited_seconds > group_.deadline_seconds())
    Fail(fmt::format("did not end within {:g} s", group_.deadline_seconds()));
}

void NcclReducer::Fail(const std::string& what) {
  const std::string doing = device_.activity();
  // First of all: work that waits for a peer on the device holds up everything behind it.
  device_.forget_steps();
  if (comm_ != nullptr) ncclCommAbort(comm_);
  comm_ = nullptr;
  throw CollectiveError(
      ExitCode::kRankFailure,
      fmt::format("NCCL all-reduce {} of {} values, rank {} on {}, while {}: {}; {}",
                  all_reduce_count_, last_elements(), rank(), host(rank()), doing, what,
                  ProbePeers()));
}

}  // namespace lockstep
