#include "engine/stage_traffic.h"

#include <utility>

#include "core/error.h"
#include "core/timing/phases.h"

namespace lockstep {
namespace {

// Of so many values, those that one of so many ranks sends.
Range SliceOf(std::int64_t values, int index, int ranks) {
  return {.begin = values * index / ranks, .end = values * (index + 1) / ranks};
}

}  // namespace

bool IsGivenSlices(const HostMap& hosts, int ranks_of_stage, int stage) {
  if (ranks_of_stage == 1) return false;
  const std::vector<HostPlace> places = hosts.Places();
  const auto host_of = [&](int rank) { return places[static_cast<std::size_t>(rank)].first_rank; };
  const int first = stage * ranks_of_stage;
  for (int rank = first; rank < first + ranks_of_stage; ++rank)
    if (host_of(rank) != host_of(first) || host_of(rank - ranks_of_stage) == host_of(first))
      return false;
  return true;
}

StageTraffic::StageTraffic(Decoder& decoder, const EngineRanks& ranks)
    : decoder_(decoder),
      control_(ranks.copy),
      stage_(ranks.stage),
      ranks_(ranks.copy.size() / decoder.stage_count()) {
  if (stage_ == nullptr) return;
  const HostMap& hosts = control_.hosts();
  const int stage = decoder.stage();
  gives_slices_ = !decoder.is_last_stage() && IsGivenSlices(hosts, ranks_, stage + 1);
  is_given_slices_ = !decoder.is_first_stage() && IsGivenSlices(hosts, ranks_, stage);
}

std::int64_t StageTraffic::ValuesOf(std::int64_t tokens) const {
  return tokens * decoder_.spec().d_model;
}

std::size_t StageTraffic::BytesOf(std::int64_t tokens) const {
  return static_cast<std::size_t>(ValuesOf(tokens)) * sizeof(float);
}

Range StageTraffic::OwnSlice(std::int64_t tokens) const {
  return SliceOf(ValuesOf(tokens), control_.rank() % ranks_, ranks_);
}

void StageTraffic::BeginStep() {
  std::swap(current_, next_);
  next_.step = 0;
  output_ = {};
}

void StageTraffic::TakeOutput(std::int64_t tokens) {
  if (decoder_.is_last_stage()) return;
  output_ = decoder_.Output(gives_slices_ ? OwnSlice(tokens)
                                          : Range{.begin = 0, .end = ValuesOf(tokens)});
}

std::span<const std::byte> StageTraffic::Input(std::int64_t step, std::int64_t tokens) const {
  if (decoder_.is_first_stage()) return {};
  const std::size_t bytes = BytesOf(tokens);
  LOCKSTEP_CHECK(current_.step == step && current_.bytes.size() >= bytes,
                 "stage {} has {} bytes of step {}, expected {} of step {}", decoder_.stage(),
                 current_.bytes.size(), current_.step, bytes, step);
  return std::span(current_.bytes).first(bytes);
}

void StageTraffic::Exchange(std::span<const std::int64_t> stages, const Tokens& tokens) {
  const auto stage = static_cast<std::size_t>(decoder_.stage());
  const bool sends = !decoder_.is_last_stage() && stages[stage] != 0;
  const bool receives = !decoder_.is_first_stage() && stages[stage - 1] != 0;
  const bool sends_first = stage % 2 == 0;
  const ScopedPhase transfer(Phase::kTransfer);
  if (sends && sends_first) Send(tokens.given);
  if (receives) Receive(stages[stage - 1], tokens.taken);
  if (sends && !sends_first) Send(tokens.given);
}

void StageTraffic::Send(std::int64_t tokens) {
  const std::span<const float> hidden = Hidden(tokens);
  const int to = control_.rank() + ranks_;
  if (hidden.empty()) return control_.Send(to, output_);
  const std::span<const std::byte> kept = std::as_bytes(hidden);
  both_.assign(output_.begin(), output_.end());
  both_.insert(both_.end(), kept.begin(), kept.end());
  control_.Send(to, both_);
}

void StageTraffic::Receive(std::int64_t step, std::int64_t tokens) {
  control_.Recv(control_.rank() - ranks_, next_.bytes);
  if (is_given_slices_) GatherSlices(tokens);
  next_.step = step;
}

// The other ranks' slices beside this one's; hidden states stay behind them.
void StageTraffic::GatherSlices(std::int64_t tokens) {
  const auto mine = static_cast<std::size_t>(OwnSlice(tokens).size()) * sizeof(float);
  LOCKSTEP_CHECK(next_.bytes.size() >= mine, "stage {} has {} bytes of its slice of {}",
                 decoder_.stage(), next_.bytes.size(), mine);
  const auto received = std::span(next_.bytes);
  whole_.clear();
  for (const ControlPlane::Bytes& slice : stage_->AllGather(received.first(mine)))
    whole_.insert(whole_.end(), slice.begin(), slice.end());
  LOCKSTEP_CHECK(whole_.size() == BytesOf(tokens), "stage {} has {} bytes of {}", decoder_.stage(),
                 whole_.size(), BytesOf(tokens));
  const auto hidden = received.subspan(mine);
  whole_.insert(whole_.end(), hidden.begin(), hidden.end());
  std::swap(whole_, next_.bytes);
}

std::span<const float> StageTraffic::Hidden(std::int64_t tokens) const {
  if (decoder_.has_hidden()) {
    const TensorView hidden = decoder_.hidden();
    return {hidden.data<float>(), static_cast<std::size_t>(hidden.elements())};
  }
  const std::size_t bytes = BytesOf(tokens);
  if (decoder_.is_first_stage() || current_.bytes.size() <= bytes) return {};
  const auto kept = std::span(current_.bytes).subspan(bytes);
  return {reinterpret_cast<const float*>(kept.data()), kept.size() / sizeof(float)};
}

}  // namespace lockstep
