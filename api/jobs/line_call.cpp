#include "api/jobs/line_call.h"

#include <utility>

#include "api/jobs/openai_line.h"
#include "api/records.h"

namespace lockstep {
namespace {

// A line in Lockstep's own form: one request.
class OwnLine : public LineCall {
 public:
  explicit OwnLine(LineRequest request) : request_(std::move(request)) {}

  std::span<const LineRequest> requests() const override { return {&request_, 1}; }
  std::string Record(std::span<const TextResult> results) const override {
    return FormatResult(request_, results.front());
  }
  std::string ErrorRecord(std::string_view message) const override {
    return FormatError(request_.id, message);
  }

 private:
  LineRequest request_;
};

}  // namespace

std::unique_ptr<LineCall> ReadLine(const InputLine& line, const JobRules& rules) {
  if (rules.task == Task::kGenerate && IsOpenAiLine(line.text)) return ReadOpenAiLine(line, rules);
  try {
    LineRequest request = ParseLine(rules.task, line.text, line.where, line.index, rules.defaults);
    Prepare(request, rules.tokenizer, rules.spec);
    return std::make_unique<OwnLine>(std::move(request));
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    throw RefusedLine(error.what(), FormatError(line.text, line.index, error.what()));
  }
}

bool IsErrorRecord(std::string_view record) {
  // Within a text the quotes would have backslashes before them.
  const auto has = [record](std::string_view part) { return record.find(part) != record.npos; };
  if (has(",\"response\":{\"status_code\":")) return !has("{\"status_code\":200,");
  return has(",\"error\":");
}

}  // namespace lockstep
