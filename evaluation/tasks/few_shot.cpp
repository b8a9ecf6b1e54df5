#include "evaluation/tasks/few_shot.h"

#include <numeric>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::uint32_t kSeed = 1234;

// As Python compares dictionaries: the order of the members does not count.
bool Equal(const Document& a, const Document& b) { return Json(a.fields) == Json(b.fields); }

}  // namespace

FewShot::FewShot(const EvaluationTask& task, const std::vector<Document>& pool, std::size_t shots)
    : task_(task), pool_(pool), shots_(shots), random_(kSeed) {}

std::vector<std::size_t> FewShot::Draw(const std::vector<std::size_t>& pool, std::size_t wanted) {
  if (wanted > pool.size())
    throw BadInput(
        "eval: --num-fewshot is {}, and {} has {} documents to draw examples from; "
        "expected fewer examples than documents",
        shots_, task_.training.empty() ? task_.documents : task_.training, pool.size());
  std::vector<std::size_t> drawn;
  for (const std::size_t at : random_.Sample(pool.size(), wanted)) drawn.push_back(pool[at]);
  return drawn;
}

// Where the question's own document is no example, one more is drawn, and if it is among them it is
// left out; where that leaves too few, because several are equal, the rest of the pool is drawn
// from.
std::string FewShot::Next(const Document& document) {
  if (shots_ == 0) return "";
  std::vector<std::size_t> all(pool_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const bool leaves_out = task_.examples == Examples::kOfTrainingButThis;
  std::vector<std::size_t> drawn = Draw(all, shots_ + (leaves_out ? 1 : 0));
  const auto is_this = [&](std::size_t at) { return Equal(pool_[at], document); };
  if (leaves_out) {
    std::erase_if(drawn, is_this);
    if (drawn.size() < shots_) {
      std::erase_if(all, is_this);
      drawn = Draw(all, shots_);
    }
    drawn.resize(shots_);
  }
  std::string examples;
  for (const std::size_t at : drawn) examples += task_.ask(pool_[at]).solved;
  return examples;
}

}  // namespace lockstep
