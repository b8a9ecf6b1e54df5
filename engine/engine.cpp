#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/page_pool.h"
#include "engine/sampler.h"
#include "engine/step.h"

namespace lockstep {
namespace {

// A request that has pages.
struct Sequence {
  Request request;
  std::vector<std::int32_t> tokens;  // prompt and what was generated
  std::int64_t cached = 0;           // of these, how many are in the cache
  std::vector<std::int32_t> pages;

  std::int64_t pending() const { return static_cast<std::int64_t>(tokens.size()) - cached; }
  std::int64_t generated() const {
    return static_cast<std::int64_t>(tokens.size() - request.prompt.size());
  }
};

std::int64_t TokensAtMost(const Request& request) {
  return static_cast<std::int64_t>(request.prompt.size()) + request.sampling.max_new_tokens;
}

}  // namespace

struct Engine::Impl {
  Decoder& decoder;
  Communicator& communicator;
  EngineOptions options;
  PagePool pages;
  std::deque<Request> waiting;
  std::vector<Sequence> running;
  bool shut_down = false;

  Impl(Decoder& decoder_in, Communicator& communicator_in, const EngineOptions& options_in)
      : decoder(decoder_in),
        communicator(communicator_in),
        options(options_in),
        pages(decoder_in.cache().page_count()) {}

  void CheckTokens(std::span<const std::int32_t> tokens, std::int64_t room_for) const {
    const ModelSpec& spec = decoder.spec();
    if (tokens.empty()) throw BadInput("the prompt has no tokens; expected at least one");
    for (const std::int32_t token : tokens)
      if (token < 0 || token >= spec.vocab_rows)
        throw BadInput("token id {} is outside the vocabulary; expected 0 to {}", token,
                       spec.vocab_rows - 1);
    const auto count = static_cast<std::int64_t>(tokens.size());
    if (count + room_for > spec.context_tokens)
      throw BadInput("{} tokens do not fit the context of {} tokens{}; shorten the text", count,
                     spec.context_tokens, room_for > 0 ? " together with a new one" : "");
  }

  // First come, first served: the head of the queue waits for room, nobody overtakes it.
  void Admit() {
    while (!waiting.empty() && running.size() < static_cast<std::size_t>(options.max_sequences)) {
      const std::int64_t needed = KvCache::PagesFor(TokensAtMost(waiting.front()));
      if (needed > pages.free_count()) return;
      Sequence sequence;
      sequence.request = std::move(waiting.front());
      sequence.tokens = sequence.request.prompt;
      sequence.pages = pages.Take(needed);
      running.push_back(std::move(sequence));
      waiting.pop_front();
    }
  }

  // The sequences of this step, by index into running, with their token counts: those that
  // decode first, then prompts as far as the budget goes.
  std::vector<std::pair<std::size_t, std::int64_t>> Choose() const {
    std::vector<std::pair<std::size_t, std::int64_t>> chosen;
    std::int64_t budget = options.max_step_tokens;
    for (const bool decoding : {true, false})
      for (std::size_t i = 0; i < running.size(); ++i) {
        if ((running[i].pending() == 1) != decoding || budget == 0) continue;
        const std::int64_t count = std::min(budget, running[i].pending());
        chosen.emplace_back(i, count);
        budget -= count;
      }
    return chosen;
  }

  std::vector<RowResult> Execute(const StepMessage& message) {
    Communicator::Bytes bytes = Flatten(message);
    communicator.Broadcast(bytes);
    return ExecuteStep(decoder, communicator, message);
  }

  std::vector<TokenEvent> Step();
  bool TakeToken(Sequence& sequence, const RowResult& row, std::vector<TokenEvent>& events);
  Score ScoreTokens(std::span<const std::int32_t> tokens);
};

namespace {

// Appends the next `count` pending tokens of a sequence to the batch.
void AddRows(Batch& batch, const Sequence& sequence, std::int64_t count) {
  const auto first = sequence.tokens.begin() + sequence.cached;
  batch.sequences.push_back({.first_row = static_cast<std::int64_t>(batch.ids.size()),
                             .token_count = count,
                             .start = sequence.cached,
                             .page_table = sequence.pages});
  batch.ids.insert(batch.ids.end(), first, first + count);
}

}  // namespace

std::vector<TokenEvent> Engine::Impl::Step() {
  Admit();
  StepMessage message;
  message.vocab_limit = options.sampled_vocab;
  std::vector<std::size_t> sampled;  // which sequence each row of logits belongs to
  for (const auto& [index, count] : Choose()) {
    Sequence& sequence = running[index];
    AddRows(message.batch, sequence, count);
    sequence.cached += count;
    if (sequence.pending() > 0) continue;  // more of the prompt comes in the next step
    message.batch.logit_rows.push_back(static_cast<std::int64_t>(message.batch.ids.size()) - 1);
    message.rows.push_back({.whole_row = sequence.request.sampling.temperature > 0.0});
    sampled.push_back(index);
  }
  if (message.batch.ids.empty()) return {};

  const std::vector<RowResult> results = Execute(message);
  std::vector<TokenEvent> events;
  std::vector<std::size_t> finished;
  for (std::size_t row = 0; row < results.size(); ++row)
    if (TakeToken(running[sampled[row]], results[row], events)) finished.push_back(sampled[row]);
  std::sort(finished.rbegin(), finished.rend());
  for (const std::size_t index : finished) {
    pages.Return(running[index].pages);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(index));
  }
  return events;
}

// Adds the row's token to the sequence and reports it. True when the sequence has ended.
bool Engine::Impl::TakeToken(Sequence& sequence, const RowResult& row,
                             std::vector<TokenEvent>& events) {
  const SamplingParams& sampling = sequence.request.sampling;
  const auto position = static_cast<std::int64_t>(sequence.tokens.size());
  const std::int32_t token =
      sampling.temperature > 0.0 ? SampleToken(row.logits, sampling, position) : row.argmax;
  sequence.tokens.push_back(token);
  FinishReason finish = FinishReason::kNone;
  if (token == options.eos_token && !sampling.ignore_eos) {
    finish = FinishReason::kEos;
  } else if (sequence.generated() == sampling.max_new_tokens) {
    finish = FinishReason::kLength;
  }
  events.push_back({sequence.request.id, token, finish});
  return finish != FinishReason::kNone;
}

Score Engine::Impl::ScoreTokens(std::span<const std::int32_t> tokens) {
  // A chunk's logits are [rows, vocabulary] floats: 128 rows of Pythia are 26 MB.
  constexpr std::int64_t kChunkTokens = 128;
  CheckTokens(tokens, 0);
  Score score;
  if (tokens.size() == 1) return score;
  Sequence sequence;
  sequence.tokens.assign(tokens.begin(), tokens.end() - 1);
  sequence.pages = pages.Take(KvCache::PagesFor(sequence.pending()));
  while (sequence.pending() > 0) {
    StepMessage message;
    message.vocab_limit = decoder.spec().vocab_rows;
    const std::int64_t count =
        std::min({sequence.pending(), kChunkTokens, options.max_step_tokens});
    AddRows(message.batch, sequence, count);
    for (std::int64_t row = 0; row < count; ++row) {
      message.batch.logit_rows.push_back(row);
      message.rows.push_back(
          {.target = tokens[static_cast<std::size_t>(sequence.cached + row + 1)]});
    }
    sequence.cached += count;
    for (const RowResult& row : Execute(message)) {
      score.logprobs.push_back(static_cast<float>(row.target - row.log_sum_exp));
      score.top.push_back(row.argmax);
    }
  }
  pages.Return(sequence.pages);
  return score;
}

Engine::Engine(Decoder& decoder, Communicator& communicator, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(decoder, communicator, options)) {
  LOCKSTEP_CHECK(communicator.rank() == 0, "the engine is rank 0's, this is rank {}",
                 communicator.rank());
  const std::int64_t rows = decoder.spec().vocab_rows;
  if (options.sampled_vocab <= 0 || options.sampled_vocab > rows)
    impl_->options.sampled_vocab = rows;
}

Engine::~Engine() = default;

void Engine::Submit(Request request) {
  impl_->CheckTokens(request.prompt, 1);
  Validate(request.sampling, "request");
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  std::int64_t& budget = request.sampling.max_new_tokens;
  budget = std::min(budget, impl_->decoder.spec().context_tokens - prompt);
  const std::int64_t needed = KvCache::PagesFor(TokensAtMost(request));
  if (needed > impl_->pages.page_count())
    throw BadInput(
        "a request of {} tokens needs {} pages of the KV cache, which has {}; "
        "shorten it or enlarge the cache",
        TokensAtMost(request), needed, impl_->pages.page_count());
  impl_->waiting.push_back(std::move(request));
}

void Engine::Cancel(std::int64_t request) {
  std::erase_if(impl_->waiting, [&](const Request& one) { return one.id == request; });
  std::erase_if(impl_->running, [&](const Sequence& sequence) {
    if (sequence.request.id != request) return false;
    impl_->pages.Return(sequence.pages);
    return true;
  });
}

bool Engine::idle() const { return impl_->waiting.empty() && impl_->running.empty(); }

std::vector<TokenEvent> Engine::Step() { return impl_->Step(); }

Score Engine::ScoreTokens(std::span<const std::int32_t> tokens) {
  LOCKSTEP_CHECK(idle(), "scoring while requests are in flight");
  return impl_->ScoreTokens(tokens);
}

void Engine::Shutdown() {
  if (std::exchange(impl_->shut_down, true)) return;
  StepMessage message;
  message.shutdown = true;
  Communicator::Bytes bytes = Flatten(message);
  impl_->communicator.Broadcast(bytes);
}

void RunWorker(Decoder& decoder, Communicator& communicator) {
  for (;;) {
    Communicator::Bytes bytes;
    communicator.Broadcast(bytes);
    const StepMessage message = ParseStepMessage(bytes);
    if (message.shutdown) return;
    ExecuteStep(decoder, communicator, message);
  }
}

}  // namespace lockstep
