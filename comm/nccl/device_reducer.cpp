#include "comm/nccl/device_reducer.h"

#include <cstring>

namespace lockstep {
namespace {

// How long a rank whose sum has failed looks for its peers, to name the one that is missing.
constexpr double kAskSeconds = 3;

// What a rank tells its peers when a sum has failed.
struct Note {
  std::int64_t all_reduces = 0;
  std::int64_t elements = 0;  // of the last one
};

}  // namespace

void DeviceReducer::AllReduceSum(const TensorView& x, Stream /*stream*/) {
  LOCKSTEP_CHECK(size() == 1, "a sum over {} ranks", size());
  LOCKSTEP_CHECK(x.dtype() == DType::kF32, "all-reduce of {}", Name(x.dtype()));
  CountSum(x.elements());
}

void DeviceReducer::CountSum(std::int64_t elements) {
  const auto count = [this, elements] {
    ++all_reduce_count_;
    last_elements_ = elements;
  };
  count();
  device_.repeat_at_replay(count);
}

std::string DeviceReducer::ProbePeers() {
  const Note mine{all_reduce_count_, last_elements_};
  try {
    const DeadlineScope soon(group_, kAskSeconds);
    std::string found;
    const auto notes = group_.AllGather(std::as_bytes(std::span(&mine, 1)));
    for (int peer = 0; peer < size(); ++peer) {
      Note note;
      const ControlPlane::Bytes& bytes = notes[static_cast<std::size_t>(peer)];
      if (bytes.size() == sizeof(note)) std::memcpy(&note, bytes.data(), sizeof(note));
      if (note.all_reduces == mine.all_reduces && note.elements == mine.elements) continue;
      found +=
          fmt::format("{}rank {} on {} is at all-reduce {} of {} values", found.empty() ? "" : ", ",
                      peer, host(peer), note.all_reduces, note.elements);
    }
    if (!found.empty()) return found;
    return "every rank answers and is at the same all-reduce: a GPU or the connection between "
           "them hangs; nvidia-smi and NCCL_DEBUG=INFO may say more";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace lockstep
