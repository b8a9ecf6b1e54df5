#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/timing/phases.h"
#include "engine/batch_use.h"
#include "engine/check_request.h"
#include "engine/live_request.h"
#include "engine/sampling/token_choice.h"
#include "engine/step_clock.h"
#include "engine/step_executor.h"

namespace lockstep {

struct Engine::Impl {
  Decoder& decoder;
  ControlPlane& control;
  StepExecutor executor;
  EngineOptions options;
  Scheduler scheduler;
  std::unordered_map<std::int64_t, LiveRequest> live;
  std::vector<TokenEvent> ready;        // of requests that need no computing
  std::deque<BatchUse> batches;         // that have not been answered for
  std::optional<StepMessage> launched;  // the step that has not been collected
  std::int64_t step = 0;                // the last that was launched
  bool shut_down = false;
  bool is_together = false;  // the other ranks are in something else than a wait for steps
  std::function<void(std::int64_t)> on_begun;
  StepClock clock;

  Impl(Decoder& decoder_in, const EngineRanks& ranks, const EngineOptions& options_in)
      : decoder(decoder_in),
        control(ranks.copy),
        executor(decoder_in, ranks),
        options(options_in),
        scheduler({.max_sequences = options_in.max_sequences,
                   .max_step_tokens = options_in.max_step_tokens,
                   .mixed_step_tokens = options_in.mixed_step_tokens,
                   .max_logit_tokens = MaxLogitTokens(decoder_in.spec().vocab_rows),
                   .steps_under_way = decoder_in.stage_count(),
                   .page_count = decoder_in.cache().page_count(),
                   .page_tokens = KvCache::kPageTokens,
                   .prefix_cache = options_in.prefix_cache}) {
    SetSampledVocab(options.sampled_vocab);
  }

  void SetSampledVocab(std::int64_t ids) {
    const std::int64_t rows = decoder.spec().vocab_rows;
    options.sampled_vocab = ids <= 0 ? rows : std::min(ids, rows);
  }

  RequestLimits Limits() const {
    return {.vocab_rows = decoder.spec().vocab_rows,
            .sampled_vocab = options.sampled_vocab,
            .context_tokens = decoder.spec().context_tokens,
            .cache_tokens = decoder.cache().page_count() * KvCache::kPageTokens,
            .end_tokens = options.end_tokens};
  }

  void Submit(Request request);
  void Branch(std::int64_t request, std::span<const Branching> children);
  void Launch();
  std::vector<TokenEvent> Collect();
  BatchUse TakeBatch(PlannedStep planned, StepMessage& message);
  void AddRows(const Chunk& chunk, StepMessage& message, BatchUse& batch) const;
  std::vector<std::int64_t> NextStages(bool begins) const;
  void Send(const StepMessage& message);
  void Choose(BatchUse& batch, const std::vector<RowAnswer>& answers);
  void Take(BatchUse batch, const std::vector<RowAnswer>& answers, std::vector<TokenEvent>& events);
  void CheckBetweenSteps() const;
  void FinishBatches();
  void Together(std::string_view words, const std::function<void()>& work);
  void TakeHidden(std::span<const ChunkUse> chunks, std::vector<TokenEvent>& events);
  void TakeRow(const RowUse& use, const RowAnswer& row, std::vector<TokenEvent>& events);
  TokenEvent TakeToken(LiveRequest& one, const TokenChoice& choice);
  void End(std::int64_t id);
};

void Engine::Impl::Submit(Request request) {
  FitRequest(request, Limits());
  LOCKSTEP_CHECK(!live.contains(request.id), "there is a request {} already", request.id);
  NewSequence sequence{.id = request.id,
                       .tokens = request.prompt,
                       .priority = request.priority,
                       .client = request.client,
                       .most_new_tokens = request.sampling.max_new_tokens,
                       .rows = request.prompt_logprobs ? LogitRows::kAll
                               : request.embedding     ? LogitRows::kNone
                                                       : LogitRows::kLast,
                       // The last token of the context says what the first one behind it is worth.
                       .context_tokens = std::max<std::int64_t>(0, request.context_tokens - 1)};
  sequence.tokens.insert(sequence.tokens.end(), request.reached.begin(), request.reached.end());
  // Nothing follows on the last token, so that nothing about it has to be computed.
  if (request.only_scores()) sequence.tokens.pop_back();
  if (sequence.tokens.empty()) {
    ready.push_back({.request = request.id, .finish = FinishReason::kLength});
    return;
  }
  const std::int64_t id = request.id;
  NoteRequest(id, RequestMoment::kArrived, std::ssize(sequence.tokens), request.arrived);
  live.try_emplace(id, std::move(request), options.end_tokens);
  scheduler.Submit(std::move(sequence));
}

void Engine::Impl::Branch(std::int64_t parent, std::span<const Branching> children) {
  const Request& before = live.at(parent).request;
  LOCKSTEP_CHECK(before.branches, "request {} does not branch", parent);
  std::vector<Request> requests;
  for (const Branching& one : children) {
    LOCKSTEP_CHECK(!live.contains(one.child), "there is a request {} already", one.child);
    Request& request = requests.emplace_back(before);
    request.id = one.child;
    request.prompt.push_back(one.token);
    FitRequest(request, Limits());
  }
  for (Request& request : requests) {
    scheduler.Fork(parent, request.id);
    scheduler.Append(request.id, request.prompt.back());
    const std::int64_t id = request.id;
    NoteRequest(id, RequestMoment::kFirstToken);  // it has what its parent has
    live.try_emplace(id, std::move(request), options.end_tokens).first->second.begun = true;
  }
  End(parent);
}

void Engine::Impl::End(std::int64_t id) {
  std::erase_if(ready, [&](const TokenEvent& event) { return event.request == id; });
  scheduler.Remove(id);
  // What is on its way is nobody's, even if the number comes again.
  for (BatchUse& batch : batches) {
    for (ChunkUse& chunk : batch.chunks)
      if (chunk.request == id) chunk.request = kEndedRequest;
    for (RowUse& use : batch.uses)
      if (use.request == id) use.request = kEndedRequest;
  }
  if (const auto found = live.find(id); found != live.end()) {
    NoteRequest(id, RequestMoment::kEnded, found->second.generated);
    live.erase(found);
  }
}

void Engine::Impl::Send(const StepMessage& message) {
  const ScopedPhase broadcast(Phase::kBroadcast);
  ControlPlane::Bytes bytes = Flatten(message);
  control.Broadcast(bytes);
}

void Engine::Impl::CheckBetweenSteps() const {
  LOCKSTEP_CHECK(!launched, "step {} has not been collected", step);
}

// What is left in a pipeline when nobody waits for it.
void Engine::Impl::FinishBatches() {
  while (live.empty() && !batches.empty()) {
    Launch();
    Collect();
  }
}

// Where the work fails, the others have heard of it or there is nobody to go on with.
void Engine::Impl::Together(std::string_view words, const std::function<void()>& work) {
  CheckBetweenSteps();
  FinishBatches();
  LOCKSTEP_CHECK(!words.empty() && !is_together, "{} words within others", words.size());
  Send({.words = std::string(words)});
  struct Flag {
    bool& flag;
    explicit Flag(bool& flag_in) : flag(flag_in) { flag = true; }
    ~Flag() { flag = false; }
  } const together(is_together);
  work();
}

// Goes on asking until every token is chosen. What has no numbers for logits is left alone.
void Engine::Impl::Choose(BatchUse& batch, const std::vector<RowAnswer>& answers) {
  std::vector<RowUse>& uses = batch.uses;
  std::vector<TokenChoice*> open;
  for (std::size_t row = 0; row < uses.size(); ++row)
    if (uses[row].choice && std::isfinite(answers[row].log_sum_exp) &&
        !uses[row].choice->Take(answers[row]))
      open.push_back(&*uses[row].choice);
  while (!open.empty()) {
    StepMessage message{.step = step, .vocab_limit = options.sampled_vocab};
    for (const TokenChoice* choice : open) message.questions.push_back(choice->question());
    Send(message);
    const std::vector<RowAnswer> more = executor.Run(message);
    std::vector<TokenChoice*> left;
    for (std::size_t i = 0; i < open.size(); ++i)
      if (!open[i]->Take(more[i])) left.push_back(open[i]);
    open = std::move(left);
  }
}

// A sequence's part of the batch, and the rows of logits that it is computed for.
void Engine::Impl::AddRows(const Chunk& chunk, StepMessage& message, BatchUse& batch) const {
  std::vector<RowUse>& uses = batch.uses;
  const LiveRequest& one = live.at(chunk.id);
  batch.chunks.push_back({chunk.id, chunk.start, chunk.count, chunk.reaches_end()});
  const auto first_row = static_cast<std::int64_t>(message.batch.ids.size());
  const auto tokens = chunk.tokens.subspan(static_cast<std::size_t>(chunk.start),
                                           static_cast<std::size_t>(chunk.count));
  message.batch.ids.insert(message.batch.ids.end(), tokens.begin(), tokens.end());
  message.batch.sequences.push_back({.first_row = first_row,
                                     .token_count = chunk.count,
                                     .start = chunk.start,
                                     .page_table = {chunk.pages.begin(), chunk.pages.end()}});
  const auto add = [&](std::int64_t position, RowQuestion question) {
    question.row = std::ssize(message.questions);
    message.batch.logit_rows.push_back(first_row + position - chunk.start);
    message.questions.push_back(std::move(question));
  };
  const std::vector<std::int32_t>& prompt = one.request.prompt;
  const auto last = static_cast<std::int64_t>(prompt.size()) - 1;
  if (one.scores_prompt())
    for (auto position = std::max(chunk.start, one.scored);
         position < std::min(chunk.start + chunk.count, last); ++position) {
      const std::int32_t following = prompt[static_cast<std::size_t>(position + 1)];
      add(position, QuestionForPrompt(one.request, following));
      uses.push_back({chunk.id, following});
    }
  if (one.pooler) {
    message.batch.hidden_layer = options.hidden_layer;
    batch.has_hidden = true;
  }
  if (!chunk.reaches_end() || !one.request.generates()) return;
  RowUse& use = uses.emplace_back(RowUse{.request = chunk.id});
  TokenChoice& choice = use.choice.emplace(one.request, *one.controls, chunk.start + chunk.count);
  choice.question().row = std::ssize(message.questions);
  add(chunk.start + chunk.count - 1, choice.question());
}

// What every stage computes next: what the one before it has computed.
std::vector<std::int64_t> Engine::Impl::NextStages(bool begins) const {
  std::vector<std::int64_t> stages(static_cast<std::size_t>(decoder.stage_count()));
  if (begins) stages.front() = step;
  for (const BatchUse& batch : batches)
    stages.at(static_cast<std::size_t>(step - batch.step)) = batch.step;
  return stages;
}

BatchUse Engine::Impl::TakeBatch(PlannedStep planned, StepMessage& message) {
  BatchUse batch{.step = step, .planned = planned.number};
  message.batch.page_copies = std::move(planned.page_copies);
  for (const Chunk& chunk : planned.chunks) {
    AddRows(chunk, message, batch);
    if (std::exchange(live.at(chunk.id).begun, true)) continue;
    NoteRequest(chunk.id, RequestMoment::kBegun);
    if (on_begun) on_begun(chunk.id);
  }
  return batch;
}

void Engine::Impl::Launch() {
  CheckBetweenSteps();
  clock.Begin(decoder);
  std::optional<ScopedPhase> plan(Phase::kPlan);
  PlannedStep planned = scheduler.Plan();
  const bool begins = !planned.chunks.empty();
  if (!begins && batches.empty()) return;
  StepMessage message{.step = ++step, .vocab_limit = options.sampled_vocab};
  message.stages = NextStages(begins);
  if (begins) batches.push_back(TakeBatch(std::move(planned), message));
  plan.reset();
  Send(message);
  executor.Launch(message);
  launched = std::move(message);
}

std::vector<TokenEvent> Engine::Impl::Collect() {
  std::vector<TokenEvent> events = std::exchange(ready, {});
  if (!launched) return events;
  const StepMessage message = *std::exchange(launched, std::nullopt);
  const std::vector<RowAnswer> answers = executor.Collect(message);
  if (message.stages.back() != 0) {
    const ScopedPhase sampling(Phase::kSampling);
    BatchUse batch = std::move(batches.front());
    batches.pop_front();
    LOCKSTEP_CHECK(batch.step == message.stages.back(), "the batch of step {} came, not of step {}",
                   message.stages.back(), batch.step);
    Take(std::move(batch), answers, events);
  }
  clock.End(decoder, std::ssize(message.batch.ids));
  return events;
}

void Engine::Impl::Take(BatchUse batch, const std::vector<RowAnswer>& answers,
                        std::vector<TokenEvent>& events) {
  scheduler.Complete(batch.planned);
  Choose(batch, answers);
  if (batch.has_hidden) TakeHidden(batch.chunks, events);
  for (std::size_t row = 0; row < answers.size(); ++row)
    TakeRow(batch.uses[row], answers[row], events);
}

// The rows of the batch stand in the order of the chunks.
void Engine::Impl::TakeHidden(std::span<const ChunkUse> chunks, std::vector<TokenEvent>& events) {
  const auto width = static_cast<std::size_t>(decoder.spec().d_model);
  std::span<const float> states = executor.hidden();
  for (const ChunkUse& chunk : chunks) {
    const std::size_t size = static_cast<std::size_t>(chunk.count) * width;
    const auto found = live.find(chunk.request);
    if (found != live.end() && found->second.pooler) {
      HiddenStatePooler& pooler = *found->second.pooler;
      pooler.Add(chunk.start, states.first(size), width);
      if (chunk.reaches_end) {
        events.push_back(EmbeddingEvent(chunk.request, pooler.Vector()));
        End(chunk.request);
      }
    }
    states = states.subspan(size);
  }
}

void Engine::Impl::TakeRow(const RowUse& use, const RowAnswer& row,
                           std::vector<TokenEvent>& events) {
  const auto found = live.find(use.request);
  if (found == live.end()) return;  // it has ended meanwhile, or by an earlier row of this step
  LiveRequest& one = found->second;
  if (!std::isfinite(row.log_sum_exp)) {
    events.push_back(NotNumbers(use.request, "logits"));
    return End(use.request);
  }
  if (use.following < 0) {
    events.push_back(TakeToken(one, *use.choice));
  } else {
    one.prompt_logprobs.push_back(PromptLogprob(row, one.request, use.following));
    const bool all = ++one.scored + 1 == static_cast<std::int64_t>(one.request.prompt.size());
    if (!one.request.only_scores() || !all) return;
    events.push_back({.request = use.request, .finish = FinishReason::kLength});
  }
  TokenEvent& event = events.back();
  event.prompt_logprobs = std::exchange(one.prompt_logprobs, std::vector<TokenLogprob>());
  if (event.finish != FinishReason::kNone && !one.request.branches) End(use.request);
}

TokenEvent Engine::Impl::TakeToken(LiveRequest& one, const TokenChoice& choice) {
  TokenEvent event = choice.Event();
  if (event.finish == FinishReason::kError) return event;
  if (++one.generated == std::ssize(one.request.reached) + 1)
    NoteRequest(event.request, RequestMoment::kFirstToken);
  one.controls->Add(event.token);
  event.finish = one.FinishOf(event.token);
  if (event.finish == FinishReason::kNone) scheduler.Append(event.request, event.token);
  return event;
}

Engine::Engine(Decoder& decoder, const EngineRanks& ranks, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(decoder, ranks, options)) {
  LOCKSTEP_CHECK(ranks.copy.rank() == 0, "the engine is rank 0's, this is rank {}",
                 ranks.copy.rank());
}

Engine::~Engine() = default;

void Engine::Submit(Request request) { impl_->Submit(std::move(request)); }

void Engine::Branch(std::int64_t request, std::span<const Branching> children) {
  impl_->CheckBetweenSteps();
  impl_->Branch(request, children);
}

void Engine::Cancel(std::int64_t request) {
  impl_->CheckBetweenSteps();
  impl_->End(request);
}

const EngineOptions& Engine::options() const { return impl_->options; }

std::int64_t Engine::most_tokens() const {
  const RequestLimits limits = impl_->Limits();
  return std::min(limits.context_tokens, limits.cache_tokens + 1);
}

bool Engine::idle() const { return impl_->live.empty() && impl_->ready.empty(); }

EngineStatus Engine::status() const {
  const Scheduler& scheduler = impl_->scheduler;
  const std::int64_t pages = scheduler.blocks().page_count();
  return {.waiting = scheduler.waiting_count(),
          .running = scheduler.running_count(),
          .pages = pages,
          .pages_used = pages - scheduler.blocks().available(),
          .counts = scheduler.counts(),
          .steps = impl_->clock.counts()};
}

void Engine::set_on_begun(std::function<void(std::int64_t)> call) {
  impl_->on_begun = std::move(call);
}

void Engine::Launch() { impl_->Launch(); }

std::vector<TokenEvent> Engine::Collect() { return impl_->Collect(); }

double Engine::deadline_seconds() const { return impl_->control.deadline_seconds(); }

void Engine::Together(std::string_view words, const std::function<void()>& work) {
  impl_->Together(words, work);
}

void Engine::Renew(std::int64_t sampled_vocab, std::vector<std::int32_t> end_tokens) {
  LOCKSTEP_CHECK(idle(), "{} requests are in flight", impl_->live.size());
  impl_->scheduler.ForgetPrefixes();
  impl_->SetSampledVocab(sampled_vocab);
  impl_->options.end_tokens = std::move(end_tokens);
}

void Engine::KeepAlive() {
  if (!impl_->shut_down && !impl_->launched && !impl_->is_together) impl_->Send(StepMessage{});
}

void Engine::Shutdown() {
  if (std::exchange(impl_->shut_down, true)) return;
  impl_->Send({.shutdown = true});
}

}  // namespace lockstep
