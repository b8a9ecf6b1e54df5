#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/openai/chat/chat_request.h"
#include "api/requests.h"
#include "core/error.h"

namespace lockstep {

// One line of a job's input that was read: what it asks of the engine, and the record that answers
// it. For one thread.
class LineCall {
 public:
  virtual ~LineCall() = default;

  // At least one, each with its tokens. They live as long as the call.
  virtual std::span<const LineRequest> requests() const = 0;
  // The line of the output, with its line end. results: in the order of the requests.
  virtual std::string Record(std::span<const TextResult> results) const = 0;
  // The same for a line that came to nothing.
  virtual std::string ErrorRecord(std::string_view message) const = 0;
};

// Why a line cannot be used, and the record that says so.
class RefusedLine : public Error {
 public:
  RefusedLine(const std::string& message, std::string record)
      : Error(ExitCode::kBadInput, message), record_(std::move(record)) {}

  const std::string& record() const { return record_; }

 private:
  std::string record_;
};

// What the lines of a job are read with. All of it is the caller's and outlives the calls.
struct JobRules {
  Task task = Task::kGenerate;
  const Options& defaults;
  const Tokenizer* tokenizer;  // null: there is none, and lines of text are refused
  const ModelSpec& spec;
  const ChatSupport& chat;
};

// A line as it lies in the input.
struct InputLine {
  std::string_view text;
  std::string where;       // "in.jsonl:3"
  std::int64_t index = 0;  // among those that are not blank
};

// A job to generate also takes the lines of OpenAI's batch files (openai_line.h). Throws
// RefusedLine.
std::unique_ptr<LineCall> ReadLine(const InputLine& line, const JobRules& rules);

// Whether a record, of either form, says that its line came to nothing.
bool IsErrorRecord(std::string_view record);

}  // namespace lockstep
