#include "comm/nccl/nccl_reducer.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "comm/watchdog.h"

namespace lockstep {

bool HasNccl() { return true; }

namespace {

// Of what is gathered at a time, from all ranks: 16 MiB.
constexpr std::int64_t kGatheredElements = std::int64_t{1} << 22;
// Up to 256 KiB one exchange is quicker than two: an assumption.
constexpr std::int64_t kFewElements = std::int64_t{1} << 16;

bool Failed(ncclResult_t code) { return code != ncclSuccess && code != ncclInProgress; }

}  // namespace

std::unique_ptr<DeviceReducer> MakeNcclReducer(ControlPlane& group, SummingDevice device) {
  return std::make_unique<NcclReducer>(group, std::move(device));
}

NcclReducer::NcclReducer(ControlPlane& group, SummingDevice device)
    : DeviceReducer(group, std::move(device)) {
  int version = 0;
  ncclGetVersion(&version);
  transport_ = fmt::format("NCCL {}.{}.{}{}", version / 10000, version / 100 % 100, version % 100,
                           device_.add_in_tree ? ", added in the order of the tree" : "");
  if (device_.add_in_tree)
    gathered_ = device_.allocate({std::max<std::int64_t>(kGatheredElements, size())});
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
  if (device_.add_in_tree) return SumInTree(values, x.elements(), stream);
  Call("ncclAllReduce", [&] {
    return ncclAllReduce(values, values, static_cast<std::size_t>(x.elements()), ncclFloat, ncclSum,
                         comm_, static_cast<cudaStream_t>(stream.handle));
  });
}

void NcclReducer::SumInTree(float* values, std::int64_t count, Stream stream) {
  const std::int64_t room = gathered_.view().elements();
  if (count <= kFewElements && count * size() <= room) return GatherAndAdd(values, count, stream);
  const std::int64_t piece = room / size() * size();
  for (std::int64_t at = 0; at < count; at += piece)
    AddSlices(values + at, std::min(piece, count - at), stream);
}

void NcclReducer::GatherAndAdd(float* values, std::int64_t count, Stream stream) {
  auto* gathered = gathered_.view().data<float>();
  Call("ncclAllGather", [&] {
    return ncclAllGather(values, gathered, static_cast<std::size_t>(count), ncclFloat, comm_,
                         static_cast<cudaStream_t>(stream.handle));
  });
  device_.add_in_tree({gathered, size(), count}, values, stream);
}

void NcclReducer::AddSlices(float* values, std::int64_t count, Stream stream) {
  const std::int64_t size_of_slice = (count + size() - 1) / size();
  std::vector<Values> slices, gathered, own_sums;
  for (std::int64_t peer = 0; peer < size(); ++peer) {
    const std::int64_t begin = std::min(peer * size_of_slice, count);
    slices.push_back({values + begin, std::min(size_of_slice, count - begin)});
  }
  const Values own = slices[static_cast<std::size_t>(rank())];
  for (std::int64_t peer = 0; peer < size(); ++peer)
    gathered.push_back({gathered_.view().data<float>() + peer * own.count, own.count});
  Exchange(slices, gathered, stream);
  if (own.count > 0) {  // the last ranks may have none
    device_.copy(own.first, gathered[static_cast<std::size_t>(rank())].first, own.count, stream);
    device_.add_in_tree({gathered.front().first, size(), own.count}, own.first, stream);
  }
  own_sums.assign(slices.size(), own);
  Exchange(own_sums, slices, stream);
}

void NcclReducer::Exchange(const std::vector<Values>& mine, const std::vector<Values>& theirs,
                           Stream stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream.handle);
  Call("ncclGroupEnd", [&] {
    ncclResult_t code = ncclGroupStart();
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      const Values& to = mine[static_cast<std::size_t>(peer)];
      const Values& from = theirs[static_cast<std::size_t>(peer)];
      if (code == ncclSuccess && to.count > 0)
        code = ncclSend(to.first, static_cast<std::size_t>(to.count), ncclFloat, peer, comm_,
                        cuda_stream);
      if (code == ncclSuccess && from.count > 0)
        code = ncclRecv(from.first, static_cast<std::size_t>(from.count), ncclFloat, peer, comm_,
                        cuda_stream);
    }
    const ncclResult_t ended = ncclGroupEnd();
    return code == ncclSuccess ? ended : code;
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
