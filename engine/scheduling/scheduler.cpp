#include "engine/scheduling/scheduler.h"

#include <algorithm>

#include "core/error.h"

namespace lockstep {
namespace {

// Whose beginnings others compute, in one step: each is looked up anew.
constexpr std::ptrdiff_t kMostPassed = 32;

}  // namespace

std::int64_t MaxLogitTokens(std::int64_t vocab_rows) {
  constexpr std::int64_t kBytes = 26'000'000, kLeast = 128, kMultiple = 16;
  return std::max(kLeast, kBytes / (4 * vocab_rows) / kMultiple * kMultiple);
}

Scheduler::Scheduler(const SchedulerOptions& options)
    : options_(options), pages_(options.page_count, options.page_tokens, options.prefix_cache) {
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
  if (idle()) turns_.StartAnew();
  const std::int64_t turn =
      turns_.Next(added.client, std::ssize(added.tokens) + added.most_new_tokens);
  const QueueKey key{turn + added.priority * kTurnsPerPriority, arrivals_++};
  const bool is_new = queue_keys_.emplace(added.id, key).second;
  LOCKSTEP_CHECK(is_new, "there is a sequence {} already", added.id);
  Sequence& sequence = waiting_[key];
  sequence.id = added.id;
  sequence.turn = turn;
  sequence.prompt_size = added.tokens.size();
  sequence.tokens = std::move(added.tokens);
  sequence.rows = added.rows;
  sequence.context_tokens = added.context_tokens;
  sequence.root = sequence.last_block = pages_.Root(added.cache_key);
}

const Scheduler::Sequence& Scheduler::Find(std::int64_t id) const {
  const QueueKey& key = queue_keys_.at(id);
  if (const auto found = running_.find(key); found != running_.end()) return found->second;
  if (const auto found = waiting_.find(key); found != waiting_.end()) return found->second;
  return held_.at(key);
}

Scheduler::Sequence& Scheduler::Find(std::int64_t id) {
  return const_cast<Sequence&>(std::as_const(*this).Find(id));
}

bool Scheduler::Remove(std::int64_t id) {
  const auto found = queue_keys_.find(id);
  if (found == queue_keys_.end()) return false;
  pages_.Release(Find(id).pages);
  for (Queue* queue : {&running_, &waiting_, &held_}) queue->erase(found->second);
  queue_keys_.erase(found);
  for (UnderWay& step : under_way_)
    std::erase_if(step.tokens, [&](const auto& one) { return one.first == id; });
  return true;
}

void Scheduler::Append(std::int64_t id, std::span<const std::int32_t> tokens, TokenState state) {
  Sequence& sequence = Find(id);
  LOCKSTEP_CHECK(!sequence.is_in_step(), "sequence {} is in a step", id);
  LOCKSTEP_CHECK(state == TokenState::kDraft || sequence.drafts == 0, "sequence {} has {} drafts",
                 id, sequence.drafts);
  sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
  if (state == TokenState::kDraft) sequence.drafts += tokens.size();
  if (auto held = held_.extract(queue_keys_.at(id)); !held.empty() && !tokens.empty())
    waiting_.insert(std::move(held));
}

void Scheduler::Commit(std::int64_t id) {
  Sequence& sequence = Find(id);
  sequence.drafts = 0;
  Publish(sequence);
}

void Scheduler::Rollback(std::int64_t id, std::int64_t count) {
  Sequence& sequence = Find(id);
  const auto taken = static_cast<std::size_t>(count);
  LOCKSTEP_CHECK(!sequence.is_in_step() && count >= 0 && taken <= sequence.drafts,
                 "sequence {} has {} drafts, {} are taken back", id, sequence.drafts, count);
  sequence.drafts -= taken;
  sequence.tokens.resize(sequence.tokens.size() - taken);
  sequence.cached = std::min(sequence.cached, static_cast<std::int64_t>(sequence.tokens.size()));
  const auto kept = static_cast<std::size_t>(PagesFor(sequence.cached));
  if (kept >= sequence.pages.size()) return;
  pages_.Release(std::span(sequence.pages).subspan(kept));
  sequence.pages.resize(kept);
}

void Scheduler::Fork(std::int64_t id, std::int64_t child) {
  const QueueKey key{queue_keys_.at(id).first, arrivals_++};
  Sequence copy = Find(id);
  LOCKSTEP_CHECK(!copy.is_in_step(), "sequence {} is in a step", id);
  const bool is_new = queue_keys_.emplace(child, key).second;
  LOCKSTEP_CHECK(is_new, "there is a sequence {} already", child);
  copy.id = child;
  const bool runs =
      running_.contains(queue_keys_.at(id)) && running_count() < options_.max_sequences;
  if (runs) {
    pages_.Share(copy.pages);
    running_.emplace(key, std::move(copy));
    return;
  }
  const bool held = copy.pending() == 0 || held_.contains(queue_keys_.at(id));
  copy.DropPages();
  (held ? held_ : waiting_).emplace(key, std::move(copy));
}

std::span<const std::int32_t> Scheduler::Tokens(std::int64_t id) const { return Find(id).tokens; }

bool Scheduler::SomebodyIsPending() const {
  return !waiting_.empty() || std::any_of(running_.begin(), running_.end(),
                                          [](const auto& one) { return one.second.pending() > 0; });
}

// Of a number that belongs to all steps under way together, this step's.
std::int64_t Scheduler::ShareOf(std::int64_t count) const {
  return (count + options_.steps_under_way - 1) / options_.steps_under_way;
}

PlannedStep Scheduler::Plan() {
  LOCKSTEP_CHECK(under_way_count() < options_.steps_under_way, "step {} has not been completed",
                 step_);
  const std::int64_t most = ShareOf(options_.max_step_tokens);
  budget_ = most;
  logit_budget_ = options_.max_logit_tokens;
  decode_budget_ = ShareOf(running_count());
  page_copies_.clear();
  PlanDecodes();
  LimitPromptsBesideDecodes();
  PlanPrompts();
  do {
    Admit();
    PlanLeftovers();
    // The slots and pages of those that are held may be what the others wait for.
  } while (budget_ == most && under_way_.empty() && SomebodyIsPending() && PreemptHeld());
  PlannedStep step{.number = 0, .chunks = Chunks(), .page_copies = page_copies_};
  LOCKSTEP_CHECK(!step.chunks.empty() || !under_way_.empty() || !SomebodyIsPending(),
                 "{} sequences run, {} wait, and none can go on", running_.size(), waiting_.size());
  if (!step.chunks.empty()) Launch(step);
  return step;
}

void Scheduler::Launch(PlannedStep& step) {
  step.number = ++step_;
  UnderWay& launched = under_way_.emplace_back();
  launched.step = step_;
  for (auto& [key, one] : running_) {
    if (one.planned == 0) continue;
    launched.tokens.emplace_back(one.id, one.planned);
    one.launched += std::exchange(one.planned, 0);
  }
}

std::vector<Chunk> Scheduler::Chunks() const {
  std::vector<Chunk> chunks;
  for (const auto& [key, one] : running_)
    if (one.planned > 0)
      chunks.push_back({one.id, one.cached + one.launched, one.planned, one.tokens, one.pages});
  return chunks;
}

// In these loops GrantTokens() may take away sequences behind the current one, never the current
// one.
void Scheduler::PlanDecodes() {
  for (auto& [key, one] : running_)
    if (one.decodes() && !IsLeftToNextStep(one)) GrantTokens(one, one.pending());
}

// Of a pipeline, who decodes and is more than this step's share.
bool Scheduler::IsLeftToNextStep(const Sequence& sequence) const {
  return options_.steps_under_way > 1 && decode_budget_ <= 0 && sequence.planned == 0 &&
         sequence.decodes();
}

void Scheduler::LimitPromptsBesideDecodes() {
  const std::int64_t limit = options_.mixed_step_tokens;
  const std::int64_t decoding = ShareOf(options_.max_step_tokens) - budget_;
  if (limit > 0 && decoding > 0)
    budget_ = std::min(budget_, std::max(limit - decoding, std::max<std::int64_t>(1, limit / 4)));
}

void Scheduler::PlanPrompts() {
  for (auto& [key, one] : running_)
    if (one.planned == 0 && !IsLeftToNextStep(one)) GrantTokens(one, FairShare(one));
}

// What those behind a long prompt have left of the step.
void Scheduler::PlanLeftovers() {
  for (auto& [key, one] : running_)
    if (!IsLeftToNextStep(one)) GrantTokens(one, one.pending());
}

// A prompt that takes several steps anyway leaves a quarter of each to those behind it: a short
// one need not wait until a long one is through.
std::int64_t Scheduler::FairShare(const Sequence& sequence) const {
  return sequence.pending() <= budget_ ? sequence.pending() : budget_ - budget_ / 4;
}

// Nobody overtakes who finds no room; but who waits for a beginning that is being computed does not
// need what later ones take meanwhile.
void Scheduler::Admit() {
  std::vector<Sequence*> passed;
  for (auto next = waiting_.begin(); next != waiting_.end() && budget_ > 0;) {
    if (running_count() >= options_.max_sequences) return;
    const auto candidate = next++;
    Sequence& sequence = candidate->second;
    if (sequence.rows == LogitRows::kAll && logit_budget_ <= 0) return;
    const Admission admission = TryAdmit(sequence);
    if (admission == Admission::kNoRoom) return;
    if (admission == Admission::kBeginningIsComputed) {
      if (sequence.overtaken >= kMostOvertaking || std::ssize(passed) == kMostPassed) return;
      passed.push_back(&sequence);
      continue;
    }
    for (Sequence* one : passed) ++one->overtaken;
    const auto added = running_.insert(waiting_.extract(candidate)).position;
    turns_.NoteBegun(added->second.turn);
    GrantTokens(added->second, FairShare(added->second));
  }
}

// Tokens at the beginning that may come from the prefix cache. The last one is always computed: the
// next one is chosen from its logits.
std::int64_t Scheduler::ReusableTokens(const Sequence& sequence) const {
  if (options_.prefix_cache == PrefixCache::kOff || sequence.rows == LogitRows::kNone) return 0;
  const std::int64_t most = std::ssize(sequence.tokens) - 1;
  return sequence.rows == LogitRows::kLast ? most : std::min(most, sequence.context_tokens);
}

// Takes what the prefix cache has of the sequence, if there is room for the rest of it as well.
Scheduler::Admission Scheduler::TryAdmit(Sequence& sequence) {
  const auto size = static_cast<std::int64_t>(sequence.tokens.size());
  PagePool::Prefix prefix;
  prefix.last = sequence.root;
  if (const std::int64_t reusable = ReusableTokens(sequence); reusable > 0) {
    prefix = pages_.Reuse(std::span(sequence.tokens).first(static_cast<std::size_t>(reusable)),
                          sequence.root);
    if (IsBeingComputed(sequence, prefix)) {
      pages_.Release(prefix.pages);
      return Admission::kBeginningIsComputed;
    }
  }
  const auto found = static_cast<std::int64_t>(prefix.pages.size());
  if (PagesFor(size) - found > pages_.available() - PromisedPages()) {
    pages_.Release(prefix.pages);
    return Admission::kNoRoom;
  }
  counts_.prefix_queries += size;
  counts_.prefix_hits += found * options_.page_tokens;
  sequence.published = found;
  sequence.cached = found * options_.page_tokens;
  sequence.pages = std::move(prefix.pages);
  sequence.last_block = prefix.last;
  return Admission::kAdmitted;
}

// What running sequences will soon take: the rest of their prompts, and their next few tokens. Who
// is admitted in spite of it would have to give its pages up again at once.
std::int64_t Scheduler::PromisedPages() const {
  const std::int64_t growth = std::max<std::int64_t>(1, options_.page_tokens / 4);
  std::int64_t pages = 0;
  for (const auto& [key, one] : running_) {
    const auto tokens = static_cast<std::int64_t>(one.tokens.size());
    const auto held = static_cast<std::int64_t>(one.pages.size());
    pages += std::max<std::int64_t>(0, PagesFor(tokens + growth) - held);
    if (WritesToSharedPage(one)) ++pages;
  }
  return pages;
}

// Whether a running sequence is about to compute more of this one's beginning than was found in
// the cache: worth a step or two of waiting. So samples of one prompt, or questions behind the
// same examples, compute it once even when they come together.
bool Scheduler::IsBeingComputed(const Sequence& sequence, const PagePool::Prefix& prefix) const {
  const auto found = static_cast<std::int64_t>(prefix.pages.size()) * options_.page_tokens;
  const auto reusable = sequence.tokens.begin() + ReusableTokens(sequence);
  for (const auto& [key, one] : running_) {
    if (one.root != sequence.root) continue;
    const auto end =
        std::mismatch(one.tokens.begin(), one.tokens.end(), sequence.tokens.begin(), reusable);
    const std::int64_t common = end.first - one.tokens.begin();
    const std::int64_t shared = common / options_.page_tokens * options_.page_tokens;
    if (shared > found && one.cached < shared) return true;
  }
  return false;
}

// Of its next `count` tokens, those whose logits are limited.
std::int64_t Scheduler::LogitsWanted(const Sequence& sequence, std::int64_t count) const {
  const std::int64_t next = sequence.next();
  if (sequence.rows != LogitRows::kAll || next >= static_cast<std::int64_t>(sequence.prompt_size))
    return 0;
  return std::max<std::int64_t>(0, next + count - std::max(next, sequence.context_tokens));
}

// Plans up to `count` more tokens for the sequence, as far as budget and pages go.
void Scheduler::GrantTokens(Sequence& sequence, std::int64_t count) {
  count = std::min(count, budget_);
  count -= std::max<std::int64_t>(0, LogitsWanted(sequence, count) - logit_budget_);
  MakeRoom(sequence, count);
  count = std::min(count, Room(sequence));
  if (count <= 0) return;
  if (WritesToSharedPage(sequence)) CopySharedPage(sequence);
  logit_budget_ -= LogitsWanted(sequence, count);
  if (sequence.planned == 0 && sequence.decodes()) --decode_budget_;
  sequence.planned += count;
  budget_ -= count;
  while (static_cast<std::int64_t>(sequence.pages.size()) < PagesFor(sequence.next()))
    sequence.pages.push_back(pages_.Take());
}

// Tokens for which the sequence has pages or could get some.
std::int64_t Scheduler::Room(const Sequence& sequence) const {
  std::int64_t pages = static_cast<std::int64_t>(sequence.pages.size()) + pages_.available();
  if (WritesToSharedPage(sequence)) {
    if (pages_.available() == 0) return 0;
    --pages;  // for the copy
  }
  return pages * options_.page_tokens - sequence.next();
}

// Whether its next token goes to a page that others use or can find.
bool Scheduler::WritesToSharedPage(const Sequence& sequence) const {
  const std::int64_t next = sequence.next();
  if (next % options_.page_tokens == 0) return false;
  return !pages_.IsPrivate(sequence.pages[static_cast<std::size_t>(next / options_.page_tokens)]);
}

void Scheduler::CopySharedPage(Sequence& sequence) {
  std::int32_t& page =
      sequence.pages[static_cast<std::size_t>(sequence.next() / options_.page_tokens)];
  const std::int32_t copy = pages_.Take();
  page_copies_.push_back({page, copy});
  pages_.Release(std::span(&page, 1));
  page = copy;
}

void Scheduler::MakeRoom(const Sequence& sequence, std::int64_t tokens) {
  while (Room(sequence) < tokens) {
    const auto victim = LastToPreempt();
    if (victim == running_.end() ||
        !running_.key_comp()(queue_keys_.at(sequence.id), victim->first))
      return;
    Preempt(victim);
  }
}

// What steps under way compute is waited for: it would have to be computed again.
Scheduler::Queue::iterator Scheduler::LastToPreempt() {
  for (auto one = running_.rbegin(); one != running_.rend(); ++one)
    if (one->second.launched == 0) return std::prev(one.base());
  return running_.end();
}

bool Scheduler::PreemptHeld() {
  for (auto one = running_.rbegin(); one != running_.rend(); ++one)
    if (one->second.held()) {
      Preempt(std::prev(one.base()));
      return true;
    }
  return false;
}

void Scheduler::Preempt(Queue::iterator victim) {
  Sequence& sequence = victim->second;
  const bool held = sequence.held();
  budget_ += sequence.planned;
  if (sequence.planned > 0 && sequence.decodes()) ++decode_budget_;
  pages_.Release(sequence.pages);
  sequence.DropPages();
  (held ? held_ : waiting_).insert(running_.extract(victim));
  ++counts_.preemptions;
}

void Scheduler::Complete(std::int64_t step) {
  LOCKSTEP_CHECK(!under_way_.empty() && step == under_way_.front().step,
                 "step {} was completed, {} are under way up to step {}", step, under_way_.size(),
                 step_);
  for (const auto& [id, count] : under_way_.front().tokens) {
    Sequence& one = running_.at(queue_keys_.at(id));
    one.launched -= count;
    one.cached += count;
    Publish(one);
  }
  under_way_.pop_front();
}

void Scheduler::Publish(Sequence& sequence) {
  const std::int64_t size = options_.page_tokens;
  const auto committed = static_cast<std::int64_t>(sequence.tokens.size() - sequence.drafts);
  const std::int64_t end = std::min(sequence.cached, committed);
  for (; (sequence.published + 1) * size <= end; ++sequence.published) {
    const auto tokens = std::span(sequence.tokens)
                            .subspan(static_cast<std::size_t>(sequence.published * size),
                                     static_cast<std::size_t>(size));
    const std::int32_t page = sequence.pages[static_cast<std::size_t>(sequence.published)];
    sequence.last_block = pages_.Publish(page, sequence.last_block, tokens);
  }
}

}  // namespace lockstep
