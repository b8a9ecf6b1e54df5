#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/scheduling/fair_turns.h"
#include "engine/scheduling/page_pool.h"
#include "layers/page_copy.h"

namespace lockstep {

struct SchedulerOptions {
  std::int64_t max_sequences = 16;     // that have pages at the same time
  std::int64_t max_step_tokens = 512;  // prompt and decode tokens of one step
  // The same of a step in which sequences decode, whose next tokens wait until the prompts beside
  // them are through; 0: no other limit. Prompts have a quarter of it however many decode.
  std::int64_t mixed_step_tokens = 0;
  // Of these, tokens of sequences that want logits at each: see MaxLogitTokens().
  std::int64_t max_logit_tokens = 128;
  // That may be under way together, each with other tokens: those of a pipeline's stages. Of the
  // sequences that decode a step takes its share, and a step's tokens are its share of
  // max_step_tokens, so that the steps are alike.
  std::int64_t steps_under_way = 1;
  std::int64_t page_count = 0;
  std::int64_t page_tokens = 16;
  PrefixCache prefix_cache = PrefixCache::kOn;
};

// As many rows of logits as take 26 MB, and 128 at least: these of Pythia's vocabulary, more of a
// smaller one.
std::int64_t MaxLogitTokens(std::int64_t vocab_rows);

// Where a sequence wants logits: behind its last token, to choose the next one; or behind every
// token of its prompt too, to say how likely they are; or nowhere, because it wants the hidden
// states of its tokens. Pages from the prefix cache have neither, so that a prompt takes none of
// them then, nor for all logits but for its context.
enum class LogitRows : std::uint8_t { kLast, kAll, kNone };

struct NewSequence {
  std::int64_t id = 0;  // the caller's; unique among those that are not finished
  std::vector<std::int32_t> tokens;
  std::int64_t priority = 0;  // lower ones come earlier, see Scheduler
  ClientId client = kNobody;
  std::int64_t most_new_tokens = 0;
  LogitRows rows = LogitRows::kLast;
  // With kAll, tokens at its beginning that want no logits either.
  std::int64_t context_tokens = 0;
  // Sequences share cached pages only with those of the same key: an adapter or a salt.
  std::uint64_t cache_key = 0;
};

// Drafts may be taken back by Rollback(), and are in no published page until Commit().
enum class TokenState : std::uint8_t { kCommitted, kDraft };

// A sequence's part in a step: run tokens[start, start + count) and keep them in these pages.
// The spans are good until the scheduler is changed.
struct Chunk {
  std::int64_t id = 0;
  std::int64_t start = 0;
  std::int64_t count = 0;
  std::span<const std::int32_t> tokens;  // all that the sequence has
  std::span<const std::int32_t> pages;

  // Whether the step reaches the sequence's end, so that its next token can be chosen.
  bool reaches_end() const { return start + count == static_cast<std::int64_t>(tokens.size()); }
};

// Everything that one step computes.
struct PlannedStep {
  std::int64_t number = 0;  // 1, 2, ...; 0: there is nothing to compute, and no Complete()
  std::vector<Chunk> chunks;
  std::vector<PageCopy> page_copies;  // made before the step, in this order
};

struct SchedulerCounts {
  std::int64_t preemptions = 0;
  std::int64_t prefix_queries = 0;  // tokens of prompts that were looked up in the prefix cache
  std::int64_t prefix_hits = 0;     // of these, tokens that were found
};

// Who computes what in the next step: continuous batching over a paged cache. It counts tokens and
// pages, touches no device and never looks at a clock, so that a run can be repeated exactly.
// docs/dev/scheduler.md explains the rules; in short:
// - Each sequence has a key: its turn (FairTurns), which is its place in the order of arrival where
//   there is one client, plus kTurnsPerPriority for each level of priority. An earlier key goes
//   first everywhere, and nobody is admitted before someone with an earlier key. So a sequence is
//   overtaken by at most kTurnsPerPriority later ones per level, however long the stream of urgent
//   ones: waiting is bounded.
// - A step first gives every decoding sequence its token, then prompts what is left of the budget,
//   which is smaller where there are any such (mixed_step_tokens).
// - Whose beginning another one computes just now waits for that, and lets up to kMostOvertaking
//   later ones pass meanwhile.
// - Pages are taken when they are needed. When there are none, the running sequence of the latest
//   key gives up its own and waits again; it keeps its tokens and computes them anew.
// - A sequence whose tokens are all in the cache is held: it keeps its place, and its pages unless
//   nobody could go on otherwise, and is in no step until tokens are appended.
// - Forks share pages. Who writes to a page that others use gets a copy of it first.
// None of this may change a token: that is the kernels' promise (docs/dev/numerics.md).
// Not thread-safe: the engine's thread.
class Scheduler {
 public:
  static constexpr std::int64_t kTurnsPerPriority = 1000;
  static constexpr std::int64_t kMostOvertaking = 64;

  explicit Scheduler(const SchedulerOptions& options);

  // The caller has made sure that the sequence at its longest fits the cache when it is alone.
  void Submit(NewSequence sequence);
  // Finished or cancelled: forgets the sequence. False when there is none of this id.
  bool Remove(std::int64_t id);

  // The next step; empty only when idle, when all are held, or when all that could go on is in
  // steps under way. Complete() must follow with its number, once it has been computed, and in
  // their order; at most steps_under_way have not had theirs. Sequences of a step that is under way
  // keep their pages, unless they are removed: what comes behind them in every stage may have
  // these. Between Plan() and what is done with its step only Submit().
  PlannedStep Plan();
  void Complete(std::int64_t step);
  std::int64_t under_way_count() const { return std::ssize(under_way_); }

  // Of any sequence that is not finished and in no step under way:
  // It goes on with these tokens. Committed ones may not follow on drafts.
  void Append(std::int64_t id, std::span<const std::int32_t> tokens,
              TokenState state = TokenState::kCommitted);
  void Append(std::int64_t id, std::int32_t token) { Append(id, std::span(&token, 1)); }
  // Its drafts are drafts no more.
  void Commit(std::int64_t id);
  // Takes back the last `count` tokens, which are drafts.
  void Rollback(std::int64_t id, std::int64_t count);
  // A new sequence with the same tokens, directly behind it in key. It shares the pages; where it
  // cannot run at once, it waits, and its tokens are computed anew.
  void Fork(std::int64_t id, std::int64_t child);

  // What is cached is of no use to whoever comes later.
  void ForgetPrefixes() { pages_.Forget(); }

  bool idle() const { return waiting_.empty() && running_.empty() && held_.empty(); }
  std::int64_t waiting_count() const {
    return static_cast<std::int64_t>(waiting_.size() + held_.size());
  }
  std::int64_t running_count() const { return static_cast<std::int64_t>(running_.size()); }
  std::span<const std::int32_t> Tokens(std::int64_t id) const;
  const PagePool& blocks() const { return pages_; }
  const SchedulerCounts& counts() const { return counts_; }

 private:
  using QueueKey = std::pair<std::int64_t, std::int64_t>;  // equal ones by arrival

  struct Sequence {
    std::int64_t id = 0;
    std::int64_t turn = 0;
    std::vector<std::int32_t> tokens;
    std::size_t prompt_size = 0;
    LogitRows rows = LogitRows::kLast;
    std::int64_t context_tokens = 0;
    PagePool::BlockId root = PagePool::kBeginning;
    std::int64_t overtaken = 0;  // while another one computed its beginning
    std::size_t drafts = 0;      // tokens at the end
    std::int64_t cached = 0;     // tokens whose keys and values are in the pages
    std::int64_t launched = 0;   // the next ones, which steps under way add
    std::int64_t planned = 0;    // those behind them, which this step adds
    std::vector<std::int32_t> pages;
    std::int64_t published = 0;  // how many of the pages
    PagePool::BlockId last_block = PagePool::kBeginning;

    std::int64_t next() const { return cached + launched + planned; }
    std::int64_t pending() const { return static_cast<std::int64_t>(tokens.size()) - next(); }
    bool is_in_step() const { return launched + planned > 0; }
    bool held() const { return !is_in_step() && pending() == 0; }
    bool decodes() const {
      return pending() == 1 || cached >= static_cast<std::int64_t>(prompt_size);
    }
    void DropPages() {
      pages.clear();
      cached = launched = planned = published = 0;
      last_block = root;
    }
  };
  using Queue = std::map<QueueKey, Sequence>;

  struct UnderWay {
    std::int64_t step = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> tokens;  // of each sequence's id
  };

  const Sequence& Find(std::int64_t id) const;
  Sequence& Find(std::int64_t id);
  std::vector<Chunk> Chunks() const;
  void Launch(PlannedStep& step);
  std::int64_t ShareOf(std::int64_t count) const;
  bool SomebodyIsPending() const;
  std::int64_t PagesFor(std::int64_t tokens) const;
  void PlanDecodes();
  void LimitPromptsBesideDecodes();
  void PlanPrompts();
  void PlanLeftovers();
  void Admit();
  enum class Admission : std::uint8_t { kAdmitted, kNoRoom, kBeginningIsComputed };
  Admission TryAdmit(Sequence& sequence);
  std::int64_t PromisedPages() const;
  bool IsBeingComputed(const Sequence& sequence, const PagePool::Prefix& prefix) const;
  std::int64_t ReusableTokens(const Sequence& sequence) const;
  bool IsLeftToNextStep(const Sequence& sequence) const;
  std::int64_t FairShare(const Sequence& sequence) const;
  std::int64_t LogitsWanted(const Sequence& sequence, std::int64_t count) const;
  void GrantTokens(Sequence& sequence, std::int64_t count);
  void MakeRoom(const Sequence& sequence, std::int64_t tokens);
  std::int64_t Room(const Sequence& sequence) const;
  bool WritesToSharedPage(const Sequence& sequence) const;
  void CopySharedPage(Sequence& sequence);
  void Preempt(Queue::iterator victim);
  Queue::iterator LastToPreempt();
  bool PreemptHeld();
  void Publish(Sequence& sequence);

  SchedulerOptions options_;
  PagePool pages_;
  Queue waiting_;
  Queue running_;
  Queue held_;  // those that are held and have lost their pages
  std::unordered_map<std::int64_t, QueueKey> queue_keys_;
  FairTurns turns_;
  std::int64_t arrivals_ = 0;
  std::int64_t step_ = 0;  // the last that was planned
  std::deque<UnderWay> under_way_;
  std::int64_t budget_ = 0;         // tokens that the step being planned can still take
  std::int64_t logit_budget_ = 0;   // the same for those that want all their logits
  std::int64_t decode_budget_ = 0;  // of a pipeline, sequences that decode which it can still take
  std::vector<PageCopy> page_copies_;
  SchedulerCounts counts_;
};

}  // namespace lockstep
