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

// What a request's work is counted in: tokens that were made, or read where none are.
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
  Sink(BatchWorker& worker, std::int64_t index, std::size_t request)
      : worker_(worker), index_(index), request_(request) {}
  void OnResult(TextResult result) override {
    worker_.ended_.push_back({.index = index_, .request = request_, .result = std::move(result)});
  }
  void OnError(const Error& error) override {
    worker_.ended_.push_back({.index = index_, .request = request_, .error = error});
  }

 private:
  BatchWorker& worker_;
  std::int64_t index_;
  std::size_t request_;
};

void BatchWorker::Run() {
  parts_.loop.Run([this] { Exchange(); });
}

// Between two steps.
void BatchWorker::Exchange() {
  for (Ended& ended : std::exchange(ended_, {})) Take(std::move(ended));
  for (const WorkLine& line : parts_.queue.Take()) Start(line);
  if (parts_.queue.ended()) parts_.loop.Abort();
}

void BatchWorker::Take(Ended ended) {
  if (ended.error && ended.error->code() != ExitCode::kBadInput) throw Error(*ended.error);
  Line& line = lines_.at(ended.index);
  TextResult& result = line.results[ended.request];
  if (ended.error) result.error = ended.error->what();
  if (ended.result) result = std::move(*ended.result);
  if (--line.missing > 0) return;
  Finish(ended.index, std::move(lines_.extract(ended.index).mapped()));
}

void BatchWorker::Finish(std::int64_t index, const Line& line) {
  const std::span<const LineRequest> requests = line.call->requests();
  std::int64_t tokens = 0;
  std::string record, error;
  for (std::size_t i = 0; i < requests.size() && error.empty(); ++i) {
    error = line.results[i].error;
    tokens += TokensDone(requests[i], line.results[i]);
  }
  if (error.empty())
    Work(static_cast<std::size_t>(tokens), [&] { record = line.call->Record(line.results); });
  if (record.size() > kMostRecordBytes)
    error = fmt::format(
        "the record has {} bytes; expected at most {}; ask for fewer samples or log-probabilities",
        record.size(), kMostRecordBytes);
  if (error.empty()) return parts_.queue.Put({index, std::move(record), "", tokens});
  error = fmt::format("{}: {}", line.where, error);
  parts_.queue.Put({index, line.call->ErrorRecord(error), error, 0});
}

void BatchWorker::Start(const WorkLine& line) {
  try {
    std::unique_ptr<LineCall> call;
    Work(line.text.size(), [&] {
      call = ReadLine({.text = line.text, .where = line.where, .index = line.index}, parts_.rules);
    });
    Submit(line, std::move(call));
  } catch (const RefusedLine& refused) {
    parts_.queue.Put({line.index, refused.record(), refused.what(), 0});
  } catch (const std::bad_alloc&) {
    const std::string error =
        fmt::format("{}: there is no memory for this line of {} bytes; shorten it", line.where,
                    line.text.size());
    std::string record;
    Work(line.text.size(), [&] { record = FormatError(line.text, line.index, error); });
    parts_.queue.Put({line.index, std::move(record), error, 0});
  }
}

void BatchWorker::Submit(const WorkLine& line, std::unique_ptr<LineCall> call) {
  const std::span<const LineRequest> requests = call->requests();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Admission admission =
        parts_.loop.Submit(requests[i].request, std::make_shared<Sink>(*this, line.index, i));
    LOCKSTEP_CHECK(admission, "{}: the loop takes no request", line.where);
  }
  lines_.emplace(line.index, Line{.where = line.where,
                                  .call = std::move(call),
                                  .results = std::vector<TextResult>(requests.size()),
                                  .missing = requests.size()});
}

}  // namespace lockstep
