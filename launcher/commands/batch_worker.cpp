#include "launcher/commands/batch_worker.h"

#include <thread>
#include <utility>

#include "core/error.h"

namespace lockstep {

BatchWorker::BatchWorker(const Parts& parts)
    : parts_(parts),
      session_(parts.engine, parts.tokenizer,
               {.on_result = [this](std::int64_t index, const TextResult& result) {
                 Finish(index, result);
               }}) {}

void BatchWorker::Run() {
  while (!parts_.desk.ended()) {
    const std::vector<WorkLine> lines = parts_.desk.Take();
    for (const WorkLine& line : lines) Start(line);
    if (session_.in_flight() > 0)
      session_.Step();
    else if (lines.empty())
      Wait();
  }
}

// Others still work, or the next lines are on their way.
void BatchWorker::Wait() {
  if (sign_.IsDue()) parts_.engine.KeepAlive();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void BatchWorker::Finish(std::int64_t index, const TextResult& result) {
  std::int64_t tokens = 0;
  for (const TextSample& sample : result.samples)
    tokens += static_cast<std::int64_t>(sample.tokens.size());
  const GenerateRequest request = std::move(requests_.extract(index).mapped());
  if (result.error.empty())
    return parts_.desk.Put({index, FormatResult(request, result), "", tokens});
  const std::string error = fmt::format("{}: {}", request.where, result.error);
  parts_.desk.Put({index, FormatError(request.id, error), error, 0});
}

void BatchWorker::Start(const WorkLine& line) {
  try {
    GenerateRequest request = ParseGenerateLine(line.text, line.where, line.index, parts_.defaults);
    Prepare(request, parts_.tokenizer, parts_.spec);
    Submit(line, request);
    requests_.emplace(line.index, std::move(request));
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    parts_.desk.Put(
        {line.index, FormatError(line.text, line.index, error.what()), error.what(), 0});
  }
}

void BatchWorker::Submit(const WorkLine& line, const GenerateRequest& request) {
  try {
    session_.Submit(line.index, request.request);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", line.where, error.what()));
  }
}

}  // namespace lockstep
