#include "engine/decoding/beam_search.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace lockstep {
namespace {

bool IsBetter(const BeamSearch::Beam& a, const BeamSearch::Beam& b) { return a.score > b.score; }

void KeepBest(std::vector<BeamSearch::Beam>& beams, std::int64_t count) {
  // Stable: of equals the one that was found first, as transformers' top-k mostly has it.
  std::stable_sort(beams.begin(), beams.end(), IsBetter);
  if (std::ssize(beams) > count) beams.resize(static_cast<std::size_t>(count));
}

float Penalised(float score, std::int64_t length, double penalty) {
  return score / static_cast<float>(std::pow(static_cast<double>(length), penalty));
}

}  // namespace

void Validate(const BeamOptions& options, std::string_view where) {
  if (options.num_beams < 1 || options.num_beams > kMostBeams)
    throw BadInput("{}: num_beams is {}; expected 1 to {}", where, options.num_beams, kMostBeams);
  if (!(std::abs(options.length_penalty) <= kMostLengthPenalty))
    throw BadInput("{}: length_penalty is {:g}; expected {} to {}", where, options.length_penalty,
                   -kMostLengthPenalty, kMostLengthPenalty);
}

void CheckLengthPenalty(const BeamOptions& options, std::int64_t max_new_tokens,
                        std::string_view where) {
  if (options.num_beams == 1 || max_new_tokens <= 1) return;
  // A score is divided by length ^ penalty; the score itself has its room in fp32 too.
  constexpr double kMostDigits = 31.0;
  const double most = kMostDigits / std::log10(static_cast<double>(max_new_tokens));
  if (std::abs(options.length_penalty) <= most) return;
  throw BadInput(
      "{}: length_penalty is {:g}; texts of up to {} tokens would have scores outside the range of "
      "numbers; expected {:.1f} to {:.1f}",
      where, options.length_penalty, max_new_tokens, -most, most);
}

BeamSearch::BeamSearch(const BeamOptions& options, Tokens ending, std::int64_t max_new_tokens)
    : options_(options), ending_(std::move(ending)), max_new_tokens_(max_new_tokens) {
  LOCKSTEP_CHECK(max_new_tokens >= 1, "{} new tokens", max_new_tokens);
}

// So many that enough are left when each beam's likeliest continuations are its ends.
std::int64_t BeamSearch::continuations() const {
  return std::max<std::int64_t>(2, 1 + std::ssize(ending_)) * options_.num_beams;
}

std::vector<BeamSearch::Beam> BeamSearch::Likeliest(
    std::span<const Continuations> continuations) const {
  std::vector<Beam> all;
  for (std::size_t i = 0; i < open_.size(); ++i)
    for (const auto& [token, logprob] : continuations[i]) {
      Beam& beam = all.emplace_back(open_[i]);
      beam.tokens.push_back(token);
      beam.score += logprob;
      beam.parent = i;
    }
  KeepBest(all, this->continuations());
  return all;
}

bool BeamSearch::Ends(const Beam& beam) const {
  return std::ssize(beam.tokens) >= max_new_tokens_ ||
         std::find(ending_.begin(), ending_.end(), beam.tokens.back()) != ending_.end();
}

void BeamSearch::Expand(std::span<const Continuations> continuations) {
  LOCKSTEP_CHECK(!done_ && continuations.size() == open_.size(), "{} for {} beams",
                 continuations.size(), open_.size());
  const std::vector<Beam> likeliest = Likeliest(continuations);
  open_.clear();
  for (const Beam& beam : likeliest)
    if (!Ends(beam) && std::ssize(open_) < options_.num_beams) open_.push_back(beam);
  ++length_;
  Finish(likeliest);
  improvable_ = improvable_ && CanImprove();
  const bool enough = IsFull() && options_.early_stopping == EarlyStopping::kTrue;
  done_ = !improvable_ || enough || open_.empty();
}

// Only the best num_beams count; the others are there so that enough stay open.
void BeamSearch::Finish(const std::vector<Beam>& likeliest) {
  if (!improvable_ || (IsFull() && options_.early_stopping == EarlyStopping::kTrue)) return;
  const std::size_t count =
      std::min(likeliest.size(), static_cast<std::size_t>(options_.num_beams));
  for (std::size_t i = 0; i < count; ++i) {
    if (!Ends(likeliest[i])) continue;
    finished_.push_back(likeliest[i]);
    finished_.back().score = Penalised(likeliest[i].score, length_, options_.length_penalty);
  }
  KeepBest(finished_, options_.num_beams);
}

// Whether the best open beam, at the length that is assumed, would beat the worst finished one.
bool BeamSearch::CanImprove() const {
  if (!IsFull()) return true;
  if (open_.empty()) return false;
  const bool longest =
      options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0.0;
  const float best =
      Penalised(open_.front().score, longest ? max_new_tokens_ : length_, options_.length_penalty);
  return best > finished_.back().score;
}

}  // namespace lockstep
