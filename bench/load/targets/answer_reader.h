#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/event_stream.h"
#include "bench/load/targets/request_record.h"

namespace lockstep {

// What an event of a stream of completions says, as far as a benchmark asks.
struct EventFacts {
  bool has_choice = false;
  std::optional<std::int64_t> prompt_tokens;  // of the usage
  std::optional<std::int64_t> output_tokens;
  std::optional<std::string> error;  // its message
};

// Null where it is no JSON object.
std::optional<EventFacts> ReadEvent(std::string_view json);

// Fills the record of a request with the stream of its answer.
class AnswerReader {
 public:
  // record: the caller's, with its start.
  explicit AnswerReader(RequestRecord& record) : record_(record) {}

  // More of the answer's body, which has come at `now`, counted as the record's start is. False
  // where nothing more is to be read, because what came is no such stream.
  bool Push(std::string_view bytes, double now);

  // The body has come to its end.
  void Finish();

 private:
  void Take(const EventFacts& event, double now);
  void Fail(const char* kind, std::string detail);

  RequestRecord& record_;
  EventStream stream_;
  double last_ = 0.0;  // when the last event came
};

}  // namespace lockstep
