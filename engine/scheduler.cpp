#include "engine/scheduler.h"

#include <algorithm>

#include "core/error.h"

namespace lockstep {

Scheduler::Scheduler(const SchedulerOptions& options)
    : options_(options), blocks_(options.page_count, options.page_tokens, options.prefix_cache) {
  LOCKSTEP_CHECK(options.max_sequences > 0 && options.max_step_tokens > 0 &&
                     options.max_logit_tokens > 0 && options.page_tokens > 0,
                 "{} sequences, {} and {} tokens, pages of {}", options.max_sequences,
                 options.max_step_tokens, options.max_logit_tokens, options.page_tokens);
}

std::int64_t Scheduler::PagesFor(std::int64_t tokens) const {
  return (tokens + options_.page_tokens - 1) / options_.page_tokens;
}

void Scheduler::Submit(NewSequence added) {
  LOCKSTEP_CHECK(!added.tokens.empty(), "sequence {} has no tokens", added.id);
  const std::int64_t arrival = arrivals_++;
  const Turn turn{arrival + added.priority * kTurnsPerPriority, arrival};
  const bool is_new = turns_.emplace(added.id, turn).second;
  LOCKSTEP_CHECK(is_new, "there is a sequence {} already", added.id);
  Sequence& sequence = waiting_[turn];
  sequence.id = added.id;
  sequence.prompt_size = added.tokens.size();
  sequence.tokens = std::move(added.tokens);
  sequence.rows = added.rows;
}

bool Scheduler::Remove(std::int64_t id) {
  const auto found = turns_.find(id);
  if (found == turns_.end()) return false;
  if (const auto running = running_.find(found->second); running != running_.end()) {
    blocks_.Release(running->second.pages);
    running_.erase(running);
  } else {
    waiting_.erase(found->second);
  }
  turns_.erase(found);
  return true;
}

void Scheduler::Append(std::int64_t id, std::int32_t token) {
  const auto running = running_.find(turns_.at(id));
  LOCKSTEP_CHECK(running != running_.end(), "sequence {} does not run", id);
  running->second.tokens.push_back(token);
}

std::span<const std::int32_t> Scheduler::Tokens(std::int64_t id) const {
  const Turn& turn = turns_.at(id);
  const auto running = running_.find(turn);
  return running != running_.end() ? running->second.tokens : waiting_.at(turn).tokens;
}

std::vector<Chunk> Scheduler::Plan() {
  budget_ = options_.max_step_tokens;
  logit_budget_ = options_.max_logit_tokens;
  PlanDecodes();
  PlanPrompts();
  Admit();
  PlanLeftovers();
  std::vector<Chunk> chunks;
  for (const auto& [turn, one] : running_)
    if (one.planned > 0) chunks.push_back({one.id, one.cached, one.planned, one.tokens, one.pages});
  LOCKSTEP_CHECK(idle() || !chunks.empty(), "{} sequences run, {} wait, and none can go on",
                 running_.size(), waiting_.size());
  return chunks;
}

// In these loops Give() may take away sequences behind the current one, never the current one.
void Scheduler::PlanDecodes() {
  for (auto& [turn, one] : running_)
    if (one.pending() == 1) Give(one, 1);
}

void Scheduler::PlanPrompts() {
  for (auto& [turn, one] : running_)
    if (one.planned == 0) Give(one, FairShare(one));
}

// What those behind a long prompt have left of the step.
void Scheduler::PlanLeftovers() {
  for (auto& [turn, one] : running_) Give(one, one.pending());
}

// A prompt that takes several steps anyway leaves a quarter of each to those behind it: a short
// one need not wait until a long one is through.
std::int64_t Scheduler::FairShare(const Sequence& sequence) const {
  return sequence.pending() <= budget_ ? sequence.pending() : budget_ - budget_ / 4;
}

void Scheduler::Admit() {
  while (!waiting_.empty() && budget_ > 0 && running_count() < options_.max_sequences) {
    const auto first = waiting_.begin();
    const bool starts = first->second.rows != LogitRows::kAll || logit_budget_ > 0;
    if (!starts || !TryAdmit(first->second)) return;  // and nobody overtakes it
    const auto added = running_.insert(waiting_.extract(first)).position;
    Give(added->second, FairShare(added->second));
  }
}

// Takes what the prefix cache has of the sequence, if there is room for the rest of it as well.
bool Scheduler::TryAdmit(Sequence& sequence) {
  const auto size = static_cast<std::int64_t>(sequence.tokens.size());
  BlockManager::Prefix prefix;
  if (sequence.rows == LogitRows::kLast && options_.prefix_cache == PrefixCache::kOn) {
    // The last token is always computed: the next one is chosen from its logits.
    prefix = blocks_.Reuse(std::span(sequence.tokens).first(sequence.tokens.size() - 1));
    if (IsBeingComputed(sequence, prefix)) {
      blocks_.Release(prefix.pages);
      return false;
    }
  }
  const auto found = static_cast<std::int64_t>(prefix.pages.size());
  if (PagesFor(size) - found > blocks_.available() - PromisedPages()) {
    blocks_.Release(prefix.pages);
    return false;
  }
  counts_.prefix_queries += size;
  counts_.prefix_hits += found * options_.page_tokens;
  sequence.published = found;
  sequence.cached = found * options_.page_tokens;
  sequence.pages = std::move(prefix.pages);
  sequence.last_block = prefix.last;
  return true;
}

// What running sequences will soon take: the rest of their prompts, and their next few tokens. Who
// is admitted in spite of it would have to give its pages up again at once.
std::int64_t Scheduler::PromisedPages() const {
  const std::int64_t growth = std::max<std::int64_t>(1, options_.page_tokens / 4);
  std::int64_t pages = 0;
  for (const auto& [turn, one] : running_) {
    const auto tokens = static_cast<std::int64_t>(one.tokens.size());
    const auto held = static_cast<std::int64_t>(one.pages.size());
    pages += std::max<std::int64_t>(0, PagesFor(tokens + growth) - held);
  }
  return pages;
}

// Whether a running sequence is about to compute more of this one's beginning than was found in
// the cache: worth a step or two of waiting. So samples of one prompt, or questions behind the
// same examples, compute it once even when they come together.
bool Scheduler::IsBeingComputed(const Sequence& sequence,
                                const BlockManager::Prefix& prefix) const {
  const auto found = static_cast<std::int64_t>(prefix.pages.size()) * options_.page_tokens;
  for (const auto& [turn, one] : running_) {
    const auto end = std::mismatch(one.tokens.begin(), one.tokens.end(), sequence.tokens.begin(),
                                   sequence.tokens.end() - 1);
    const std::int64_t common = end.first - one.tokens.begin();
    const std::int64_t shared = common / options_.page_tokens * options_.page_tokens;
    if (shared > found && one.cached < shared) return true;
  }
  return false;
}

// Plans up to `count` more tokens for the sequence, as far as budget and pages go.
void Scheduler::Give(Sequence& sequence, std::int64_t count) {
  count = std::min(count, budget_);
  const bool wants_all = sequence.rows == LogitRows::kAll &&
                         sequence.cached < static_cast<std::int64_t>(sequence.prompt_size);
  if (wants_all) count = std::min(count, logit_budget_);
  MakeRoom(sequence, count);
  count = std::min(count, Room(sequence));
  if (count <= 0) return;
  sequence.planned += count;
  budget_ -= count;
  if (wants_all) logit_budget_ -= count;
  while (static_cast<std::int64_t>(sequence.pages.size()) <
         PagesFor(sequence.cached + sequence.planned))
    sequence.pages.push_back(blocks_.Take());
}

// Tokens for which the sequence has pages or could get some.
std::int64_t Scheduler::Room(const Sequence& sequence) const {
  const auto pages = static_cast<std::int64_t>(sequence.pages.size()) + blocks_.available();
  return pages * options_.page_tokens - sequence.cached - sequence.planned;
}

void Scheduler::MakeRoom(const Sequence& sequence, std::int64_t tokens) {
  while (Room(sequence) < tokens && &std::prev(running_.end())->second != &sequence) PreemptLast();
}

void Scheduler::PreemptLast() {
  const auto last = std::prev(running_.end());
  Sequence& sequence = last->second;
  budget_ += sequence.planned;
  blocks_.Release(sequence.pages);
  sequence.pages.clear();
  sequence.cached = sequence.planned = sequence.published = 0;
  sequence.last_block = BlockManager::kBeginning;
  waiting_.insert(running_.extract(last));
  ++counts_.preemptions;
}

void Scheduler::Complete() {
  for (auto& [turn, one] : running_) {
    one.cached += std::exchange(one.planned, 0);
    Publish(one);
  }
}

void Scheduler::Publish(Sequence& sequence) {
  const std::int64_t size = options_.page_tokens;
  for (; (sequence.published + 1) * size <= sequence.cached; ++sequence.published) {
    const auto tokens = std::span(sequence.tokens)
                            .subspan(static_cast<std::size_t>(sequence.published * size),
                                     static_cast<std::size_t>(size));
    const std::int32_t page = sequence.pages[static_cast<std::size_t>(sequence.published)];
    sequence.last_block = blocks_.Publish(page, sequence.last_block, tokens);
  }
}

}  // namespace lockstep
