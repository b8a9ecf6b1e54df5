// The scheduler against a model of the device: a million random steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "core/error.h"
#include "engine/scheduling/scheduler.h"

namespace lockstep {
namespace {

constexpr std::int64_t kPageTokens = 4;

// What stands for keys and values: a number that depends on all tokens up to a position, as they
// do.
std::uint64_t Mix(std::uint64_t before, std::int32_t token) {
  std::uint64_t value = (before + 0x9E3779B97F4A7C15u) ^ static_cast<std::uint32_t>(token);
  value *= 0xBF58476D1CE4E5B9u;
  return value ^ (value >> 29);
}

// A chunk that is computed when the scheduler has gone on.
struct KeptChunk {
  std::int64_t id = 0;
  std::int64_t start = 0;
  std::int64_t count = 0;
  bool reaches_end = false;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> pages;
};

KeptChunk Keep(const Chunk& chunk) {
  return {.id = chunk.id,
          .start = chunk.start,
          .count = chunk.count,
          .reaches_end = chunk.reaches_end(),
          .tokens = {chunk.tokens.begin(), chunk.tokens.end()},
          .pages = {chunk.pages.begin(), chunk.pages.end()}};
}

// A step on its way through the stages.
struct KeptStep {
  std::int64_t number = 0;
  std::vector<PageCopy> copies;
  std::vector<KeptChunk> chunks;
};

class Device {
 public:
  explicit Device(std::int64_t pages) : slots_(static_cast<std::size_t>(pages * kPageTokens)) {}

  // Whether the chunk finds behind it what it has to.
  bool Holds(const KeptChunk& chunk) const {
    std::uint64_t value = 0;
    for (std::int64_t i = 0; i < chunk.start; ++i) {
      value = Mix(value, chunk.tokens[static_cast<std::size_t>(i)]);
      if (slots_[Slot(chunk, i)] != value) return false;
    }
    return true;
  }

  void Copy(const PageCopy& copy) {
    for (std::int64_t i = 0; i < kPageTokens; ++i)
      slots_[static_cast<std::size_t>(copy.to * kPageTokens + i)] =
          slots_[static_cast<std::size_t>(copy.from * kPageTokens + i)];
  }

  void Run(const KeptChunk& chunk) {
    std::uint64_t value = 0;
    for (std::int64_t i = 0; i < chunk.start + chunk.count; ++i) {
      value = Mix(value, chunk.tokens[static_cast<std::size_t>(i)]);
      if (i >= chunk.start) slots_[Slot(chunk, i)] = value;
    }
  }

 private:
  static std::size_t Slot(const KeptChunk& chunk, std::int64_t position) {
    const std::int32_t page = chunk.pages[static_cast<std::size_t>(position / kPageTokens)];
    return static_cast<std::size_t>(page * kPageTokens + position % kPageTokens);
  }

  std::vector<std::uint64_t> slots_;
};

// Random sequences through one scheduler, every step checked. Now and then one forks, is held for
// a while, or guesses tokens ahead. Of a pipeline, the first stage computes a step when it is
// planned, the last one when it is completed.
class RandomRun {
 public:
  RandomRun(const SchedulerOptions& options, unsigned seed)
      : options_(options),
        scheduler_(options),
        first_(options.page_count),
        last_(options.page_count),
        random_(seed) {}

  void Steps(std::int64_t count) {
    for (std::int64_t step = 0; step < count && !testing::Test::HasFatalFailure(); ++step) {
      if (live_.size() < 24 && Below(3) == 0) Submit();
      if (!live_.empty() && Below(40) == 0) Forget(Any());
      if (!live_.empty() && live_.size() < 24 && Below(8) == 0) ForkWhatRests(Any());
      if (!live_.empty() && Below(2) == 0) GoOn(Any());
      Step();
      if (step % 256 == 0) scheduler_.blocks().CheckConsistency();
    }
  }

  // No more come: all end, and every page is there again.
  void Drain() {
    while (!scheduler_.idle() && !testing::Test::HasFatalFailure()) {
      std::vector<std::int64_t> ids;
      for (const auto& [id, live] : live_) ids.push_back(id);
      for (const std::int64_t id : ids) GoOn(id);
      Step();
    }
    ASSERT_TRUE(live_.empty());
    scheduler_.blocks().CheckConsistency();
    ASSERT_EQ(scheduler_.blocks().available(), options_.page_count);
  }

  const SchedulerCounts& counts() const { return scheduler_.counts(); }
  std::int64_t longest_wait() const { return longest_wait_; }
  std::int64_t copies() const { return copies_; }

 private:
  struct Live {
    std::size_t longest = 0;
    std::pair<std::int64_t, std::int64_t> turn;
    std::int64_t priority = 0;
    bool started = false;
    std::int64_t overtaken = 0;  // by later ones, before it started
    std::int64_t passed = 0;     // by later turns, while its beginning was computed
    std::int64_t since = 0;      // the step of its last progress
    bool forked = false;         // so it has its parent's place, and came later
    bool held = false;
    std::int64_t drafts = 0;
    std::int64_t steps = 0;  // under way, that it is in
  };

  std::int64_t Below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }

  std::int64_t Any() {
    auto one = live_.begin();
    std::advance(one, Below(static_cast<std::int64_t>(live_.size())));
    return one->first;
  }

  // Few tokens and many common beginnings.
  void Submit() {
    NewSequence added{
        .id = next_id_++, .tokens = {}, .priority = Below(10) == 0 ? Below(3) - 1 : 0};
    const std::int64_t size = 1 + Below(Below(4) == 0 ? 30 : 12);
    const std::int64_t common = Below(size + 1);
    for (std::int64_t i = 0; i < size; ++i)
      added.tokens.push_back(static_cast<std::int32_t>(i < common ? i : Below(3)));
    if (Below(8) == 0) {
      added.rows = LogitRows::kAll;
      added.context_tokens = Below(size + 1);
    }
    const std::int64_t most = options_.page_count * kPageTokens;
    const auto longest = static_cast<std::size_t>(std::min(size + 1 + Below(16), most));
    const std::int64_t turn = arrivals_++ + added.priority * Scheduler::kTurnsPerPriority;
    live_[added.id] = {
        .longest = longest, .turn = {turn, added.id}, .priority = added.priority, .since = step_};
    scheduler_.Submit(std::move(added));
  }

  void ForkWhatRests(std::int64_t id) {
    if (live_.at(id).steps > 0) return;
    const std::int64_t child = next_id_++;
    scheduler_.Fork(id, child);
    live_[child] = live_.at(id);
    live_[child].turn.second = child;
    live_[child].forked = true;
  }

  // One that was held: what it guessed is in part right.
  void GoOn(std::int64_t id) {
    Live& live = live_.at(id);
    if (!std::exchange(live.held, false)) return;
    const std::int64_t wrong = Below(live.drafts + 1);
    scheduler_.Rollback(id, wrong);
    scheduler_.Commit(id);
    live.drafts = 0;
    live.since = step_;
    Continue(id);
  }

  // After its last token: ends, or has another one, or guesses some.
  void Continue(std::int64_t id) {
    Live& live = live_.at(id);
    const std::size_t size = scheduler_.Tokens(id).size();
    if (size + 1 >= live.longest) return Forget(id);
    const auto room = static_cast<std::int64_t>(live.longest - size) - 1;
    if (Below(8) == 0 && room > 1) {
      live.drafts = 1 + Below(std::min<std::int64_t>(room, 6));
      std::vector<std::int32_t> drafts(static_cast<std::size_t>(live.drafts));
      for (std::int32_t& token : drafts) token = static_cast<std::int32_t>(Below(3));
      scheduler_.Append(id, drafts, TokenState::kDraft);
    } else {
      scheduler_.Append(id, static_cast<std::int32_t>(Below(3)));
    }
  }

  void Forget(std::int64_t id) {
    ASSERT_TRUE(scheduler_.Remove(id));
    live_.erase(id);
  }

  void Step() {
    ++step_;
    const PlannedStep planned = scheduler_.Plan();
    const bool none =
        std::all_of(live_.begin(), live_.end(), [](const auto& one) { return one.second.held; });
    if (kept_.empty()) {
      ASSERT_EQ(planned.chunks.empty(), none);
    }
    CheckPlan(planned.chunks);
    if (planned.number > 0) Begin(planned);
    const bool full = std::ssize(kept_) == options_.steps_under_way;
    if (full || (planned.number == 0 && !kept_.empty())) Complete();
  }

  void Begin(const PlannedStep& planned) {
    KeptStep& step = kept_.emplace_back();
    step = {.number = planned.number, .copies = planned.page_copies, .chunks = {}};
    for (const Chunk& chunk : planned.chunks) {
      step.chunks.push_back(Keep(chunk));
      ++live_.at(chunk.id).steps;
    }
    copies_ += std::ssize(step.copies);
    Compute(step, first_);
  }

  static void Compute(const KeptStep& step, Device& stage) {
    for (const PageCopy& copy : step.copies) stage.Copy(copy);
    for (const KeptChunk& chunk : step.chunks)
      ASSERT_TRUE(stage.Holds(chunk)) << "sequence " << chunk.id;
    for (const KeptChunk& chunk : step.chunks) stage.Run(chunk);
  }

  void Complete() {
    const KeptStep step = std::move(kept_.front());
    kept_.pop_front();
    Compute(step, last_);
    std::vector<std::int64_t> ended;
    for (const KeptChunk& chunk : step.chunks) {
      const auto found = live_.find(chunk.id);
      if (found == live_.end()) continue;  // forgotten meanwhile
      Live& live = found->second;
      --live.steps;
      longest_wait_ = std::max(longest_wait_, step_ - live.since);
      live.since = step_;
      if (chunk.reaches_end) ended.push_back(chunk.id);
    }
    scheduler_.Complete(step.number);
    for (const std::int64_t id : ended) {
      Live& live = live_.at(id);
      if (live.drafts > 0 || Below(6) == 0)
        live.held = true;
      else
        Continue(id);
    }
  }

  void CheckPlan(const std::vector<Chunk>& chunks) {
    std::int64_t tokens = 0;
    for (const Chunk& chunk : chunks) {
      ASSERT_GT(chunk.count, 0);
      ASSERT_LE((chunk.start + chunk.count + kPageTokens - 1) / kPageTokens,
                static_cast<std::int64_t>(chunk.pages.size()));
      tokens += chunk.count;
    }
    const std::int64_t steps = options_.steps_under_way;
    ASSERT_LE(tokens, (options_.max_step_tokens + steps - 1) / steps);
    ASSERT_LE(scheduler_.running_count(), options_.max_sequences);
    // Who starts now has an earlier turn than everybody who has not started yet, but for those that
    // wait for a common beginning.
    for (const Chunk& chunk : chunks) {
      Live& live = live_.at(chunk.id);
      if (std::exchange(live.started, true)) continue;
      for (auto& [id, other] : live_) {
        if (other.started) continue;
        if (!live.forked && id < chunk.id) ++other.overtaken;
        if (other.turn > live.turn) continue;
        ASSERT_TRUE(HasBeginningOfAnother(id)) << id;
        ASSERT_LE(++other.passed, Scheduler::kMostOvertaking) << id;
      }
    }
    for (const auto& [id, live] : live_)
      ASSERT_LE(live.overtaken, (live.priority + 1) * Scheduler::kTurnsPerPriority) << id;
  }

  // Whether the first page of its tokens is that of one that has started.
  bool HasBeginningOfAnother(std::int64_t id) const {
    const std::span<const std::int32_t> tokens = scheduler_.Tokens(id);
    return std::ranges::any_of(live_, [&](const auto& other) {
      if (!other.second.started) return false;
      const std::span<const std::int32_t> theirs = scheduler_.Tokens(other.first);
      return std::ssize(theirs) >= kPageTokens && std::ssize(tokens) >= kPageTokens &&
             std::ranges::equal(theirs.first(kPageTokens), tokens.first(kPageTokens));
    });
  }

  SchedulerOptions options_;
  Scheduler scheduler_;
  Device first_;
  Device last_;
  std::deque<KeptStep> kept_;
  std::minstd_rand random_;
  std::map<std::int64_t, Live> live_;
  std::int64_t next_id_ = 0;
  std::int64_t arrivals_ = 0;  // forks have the turns of their parents
  std::int64_t step_ = 0;
  std::int64_t longest_wait_ = 0;
  std::int64_t copies_ = 0;
};

// Many runs with these steps under way, each with other options.
void RunRandomly(std::int64_t steps_under_way) {
  SchedulerCounts all;
  std::int64_t copies = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    SchedulerOptions options{.max_sequences = 1 + seed % 7,
                             .max_step_tokens = 1 + 5 * (seed % 4),
                             .mixed_step_tokens = seed % 3,
                             .max_logit_tokens = 1 + seed % 6,
                             .steps_under_way = steps_under_way,
                             .page_count = 12 + seed % 3,
                             .page_tokens = kPageTokens};
    if (seed % 5 == 4) options.prefix_cache = PrefixCache::kOff;
    SCOPED_TRACE(seed);
    RandomRun run(options, seed);
    run.Steps(50'000);
    run.Drain();
    if (testing::Test::HasFatalFailure()) return;
    EXPECT_LT(run.longest_wait(), 20'000);
    copies += run.copies();
    all.preemptions += run.counts().preemptions;
    all.prefix_hits += run.counts().prefix_hits;
  }
  EXPECT_GT(copies, 500 / steps_under_way) << "or no fork wrote to a shared page";
  EXPECT_GT(all.preemptions, 1'000) << "or the pages were not scarce";
  EXPECT_GT(all.prefix_hits, 100'000) << "or nothing was shared";
}

TEST(SchedulerModel, AMillionRandomStepsLoseNoPageMixNoTextsAndStarveNobody) { RunRandomly(1); }

TEST(SchedulerModel, NorDoTheyInAPipeline) {
  for (const std::int64_t steps : {2, 3}) {
    SCOPED_TRACE(steps);
    RunRandomly(steps);
  }
}

}  // namespace
}  // namespace lockstep
