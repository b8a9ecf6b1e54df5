#include "bench/load/targets/answer_reader.h"

#include <utility>

#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::size_t kMostEventBytes = std::size_t{16} << 20;

// Gets the few members that count as the parser comes past them. Thousands of events come each
// second: no object is built of them.
class FactsReader : public nlohmann::json_sax<Json> {
 public:
  const EventFacts& facts() const { return facts_; }
  bool is_object() const { return is_object_; }

  bool null() override { return true; }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Number(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t& text) override {
    const bool is_error = depth_ == 1 && member_ == "error";
    const bool is_message = depth_ == 2 && member_ == "error" && key_ == "message";
    if (is_error || is_message) facts_.error = text;
    return Value();
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    Value();
    if (depth_ == 0) is_object_ = true;
    if (depth_ == 1 && member_ == "error") facts_.error = "it says no more";
    ++depth_;
    return true;
  }
  bool key(string_t& name) override {
    (depth_ == 1 ? member_ : key_) = name;
    return true;
  }
  bool end_object() override { return End(); }
  bool start_array(std::size_t) override {
    Value();
    ++depth_;
    return true;
  }
  bool end_array() override { return End(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // Any value: one in the list of choices is a choice.
  bool Value() {
    if (depth_ == 2 && member_ == "choices") facts_.has_choice = true;
    return true;
  }
  bool Number(std::int64_t value) {
    if (depth_ == 2 && member_ == "usage") {
      if (key_ == "prompt_tokens") facts_.prompt_tokens = value;
      if (key_ == "completion_tokens") facts_.output_tokens = value;
    }
    return Value();
  }
  bool End() {
    --depth_;
    return true;
  }

  EventFacts facts_;
  std::string member_;  // of the event, that is being read
  std::string key_;     // the last one below it
  int depth_ = 0;
  bool is_object_ = false;
};

}  // namespace

std::optional<EventFacts> ReadEvent(std::string_view json) {
  FactsReader reader;
  if (!Json::sax_parse(json, &reader) || !reader.is_object()) return std::nullopt;
  return reader.facts();
}

bool AnswerReader::Push(std::string_view bytes, double now) {
  stream_.Push(bytes);
  for (std::string_view data; stream_.Next(data);) {
    if (data == "[DONE]") continue;
    const std::optional<EventFacts> event = ReadEvent(data);
    if (!event) {
      Fail("no JSON", "an event is " + ShownJson(Json(std::string(data))));
      return false;
    }
    Take(*event, now);
    if (record_.failure) return false;
  }
  if (stream_.pending_bytes() > kMostEventBytes)
    Fail("no JSON", "an event of the stream does not end");
  return !record_.failure;
}

void AnswerReader::Take(const EventFacts& event, double now) {
  if (event.error) return Fail("error of the server", *event.error);
  if (event.output_tokens) record_.output_tokens = event.output_tokens;
  if (event.prompt_tokens) record_.prompt_tokens = *event.prompt_tokens;
  if (!event.has_choice) return;
  if (record_.events++ == 0)
    record_.ttft = now - record_.start;
  else
    record_.itl.push_back(static_cast<float>(now - last_));
  last_ = now;
  record_.latency = now - record_.start;
}

void AnswerReader::Finish() {
  if (record_.failure || record_.is_cancelled) return;
  if (record_.events == 0) Fail("no token", "the stream has ended without one");
}

void AnswerReader::Fail(const char* kind, std::string detail) {
  record_.failure = RequestFailure{.kind = kind, .detail = std::move(detail)};
}

}  // namespace lockstep
