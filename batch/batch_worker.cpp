#include "batch/batch_worker.h"

#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "api/records.h"
#include "core/error.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

// A message between groups holds more, and so does the memory of most machines.
constexpr std::size_t kMostRecordBytes = std::size_t{256} << 20;

// Steps of the JSON library know no loops of ours: long ones are left to another thread.
void Work(std::size_t bytes, const std::function<void()>& work) {
  constexpr std::size_t kLong = 1 << 16;
  if (bytes < kLong) return work();
  BeatDuring(work);
}

// What a line's work is counted in: tokens that were made, or read where none are.
std::int64_t TokensDone(const LineRequest& request, const TextResult& result) {
  if (request.request.task != Task::kGenerate) return std::ssize(request.request.tokens);
  std::int64_t tokens = 0;
  for (const TextSample& sample : result.samples)
    tokens += static_cast<std::int64_t>(sample.tokens.size());
  return tokens;
}

}  // namespace

// Only keeps what comes: what is done with it may fail, and that is the whole job's affair.
class BatchWorker::Sink : public RequestSink {
 public:
  Sink(BatchWorker& worker, std::int64_t index) : worker_(worker), index_(index) {}
  void OnResult(TextResult result) override {
    worker_.ended_.push_back({.index = index_, .result = std::move(result)});
  }
  void OnError(const Error& error) override {
    worker_.ended_.push_back({.index = index_, .error = error});
  }

 private:
  BatchWorker& worker_;
  std::int64_t index_;
};

void BatchWorker::Run() {
  parts_.loop.Run([this] { Exchange(); });
}

// Between two steps.
void BatchWorker::Exchange() {
  for (const Ended& ended : std::exchange(ended_, {})) Take(ended);
  for (const WorkLine& line : parts_.queue.Take()) Start(line);
  if (parts_.queue.ended()) parts_.loop.Abort();
}

void BatchWorker::Take(const Ended& ended) {
  if (ended.result) return Finish(ended.index, *ended.result);
  if (ended.error->code() != ExitCode::kBadInput) throw Error(*ended.error);
  Finish(ended.index, {.samples = {}, .prompt_logprobs = {}, .error = ended.error->what()});
}

void BatchWorker::Finish(std::int64_t index, const TextResult& result) {
  const LineRequest request = std::move(requests_.extract(index).mapped());
  const std::int64_t tokens = TokensDone(request, result);
  std::string record, error = result.error;
  if (error.empty())
    Work(static_cast<std::size_t>(tokens), [&] { record = FormatResult(request, result); });
  if (record.size() > kMostRecordBytes)
    error = fmt::format(
        "the record has {} bytes; expected at most {}; ask for fewer samples or log-probabilities",
        record.size(), kMostRecordBytes);
  if (error.empty()) return parts_.queue.Put({index, std::move(record), "", tokens});
  error = fmt::format("{}: {}", request.where, error);
  parts_.queue.Put({index, FormatError(request.id, error), error, 0});
}

void BatchWorker::Start(const WorkLine& line) {
  try {
    LineRequest request;
    Work(line.text.size(), [&] {
      request = ParseLine(parts_.task, line.text, line.where, line.index, parts_.defaults);
      Prepare(request, parts_.tokenizer, parts_.spec);
    });
    const Admission admission =
        parts_.loop.Submit(request.request, std::make_shared<Sink>(*this, line.index));
    LOCKSTEP_CHECK(admission, "{}: the loop takes no request", line.where);
    requests_.emplace(line.index, std::move(request));
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    Refuse(line, error.what());
  } catch (const std::bad_alloc&) {
    Refuse({line.index, "", line.where},
           fmt::format("{}: there is no memory for this line of {} bytes; shorten it", line.where,
                       line.text.size()));
  }
}

void BatchWorker::Refuse(const WorkLine& line, const std::string& error) {
  std::string record;
  Work(line.text.size(), [&] { record = FormatError(line.text, line.index, error); });
  parts_.queue.Put({line.index, std::move(record), error, 0});
}

}  // namespace lockstep
