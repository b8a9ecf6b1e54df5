#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

// When beam search ends before max_new_tokens, as transformers' early_stopping says it.
enum class EarlyStopping : std::uint8_t {
  kFalse,  // when no open beam, scored at its present length, beats the worst finished one
  kTrue,   // as soon as num_beams texts are finished
  kNever,  // the same as kFalse, but open beams are given the length that suits them best
};

struct BeamOptions {
  std::int64_t num_beams = 1;  // 1: no beam search
  // Scores are sums of log-probabilities over length to this power: above 0 favours long texts.
  double length_penalty = 1.0;
  EarlyStopping early_stopping = EarlyStopping::kFalse;
};

constexpr std::int64_t kMostBeams = 64;
constexpr double kMostLengthPenalty = 100.0;

// Throws BadInput naming `where`, the field, what was found and what was expected.
void Validate(const BeamOptions& options, std::string_view where);

// Throws BadInput where the length penalty takes scores of texts of so many tokens out of the range
// of fp32.
void CheckLengthPenalty(const BeamOptions& options, std::int64_t max_new_tokens,
                        std::string_view where);

// The search itself, without a model: which texts are open, and what they become when somebody has
// found out how likely their continuations are. Step by step what transformers' _beam_search does,
// in the same precision (fp32), so that equal log-probabilities give equal texts.
// Not thread-safe: one thread per search.
class BeamSearch {
 public:
  using Tokens = std::vector<std::int32_t>;
  struct Beam {
    Tokens tokens;  // behind the prompt
    float score = 0.0f;
    std::size_t parent = 0;  // the beam it continues, among those that were open before
  };
  // The likeliest continuations of one open beam, the likeliest first.
  using Continuations = std::vector<std::pair<std::int32_t, float>>;

  // ending: the tokens that end a text. max_new_tokens >= 1.
  BeamSearch(const BeamOptions& options, Tokens ending, std::int64_t max_new_tokens);

  // How many continuations of each beam Expand() wants, or all there are.
  std::int64_t continuations() const;
  const std::vector<Beam>& open() const { return open_; }
  bool done() const { return done_; }
  // At most num_beams texts, the best first; their scores have the length penalty in them.
  const std::vector<Beam>& finished() const { return finished_; }

  // One for each open beam, in their order.
  void Expand(std::span<const Continuations> continuations);

 private:
  std::vector<Beam> Likeliest(std::span<const Continuations> continuations) const;
  bool Ends(const Beam& beam) const;
  bool IsFull() const { return std::ssize(finished_) == options_.num_beams; }
  void Finish(const std::vector<Beam>& likeliest);
  bool CanImprove() const;

  BeamOptions options_;
  Tokens ending_;
  std::int64_t max_new_tokens_;
  std::int64_t length_ = 0;  // of the open beams
  std::vector<Beam> open_ = {{}};
  std::vector<Beam> finished_;
  bool improvable_ = true;
  bool done_ = false;
};

}  // namespace lockstep
