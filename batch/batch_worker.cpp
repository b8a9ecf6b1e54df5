#include "batch/batch_worker.h"

#include <functional>
#include <new>
#include <thread>
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

BatchWorker::BatchWorker(const Parts& parts)
    : parts_(parts),
      session_(parts.engine, parts.tokenizer,
               {.on_result = [this](std::int64_t index, const TextResult& result) {
                 Finish(index, result);
               }}) {}

void BatchWorker::Run() {
  while (!parts_.queue.ended()) {
    const std::vector<WorkLine> lines = parts_.queue.Take();
    for (const WorkLine& line : lines) Start(line);
    if (session_.in_flight() > 0)
      session_.Step();
    else if (lines.empty())
      Wait();
  }
}

// Others still work, or the next lines are on their way.
void BatchWorker::Wait() {
  Heartbeat();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
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
    Submit(line, request);
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

void BatchWorker::Submit(const WorkLine& line, const LineRequest& request) {
  try {
    session_.Submit(line.index, request.request);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", line.where, error.what()));
  }
}

}  // namespace lockstep
