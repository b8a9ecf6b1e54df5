#include "api/records.h"

#include <utility>

#include "core/heartbeat.h"
#include "core/json.h"

namespace lockstep {
namespace {

// For what is written: members in the contract's order, floats in their shortest form.
using OutputJson = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                        std::int64_t, std::uint64_t, float>;

std::string Text(const OutputJson& object) {
  return object.dump(-1, ' ', false, OutputJson::error_handler_t::replace);
}

std::string Line(const OutputJson& object) { return Text(object) + "\n"; }

OutputJson ToOutput(const Json& id) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_unsigned()) return id.get<std::uint64_t>();
  return id.get<std::int64_t>();
}

// The members of an object that was made of JSON, behind what a record has already.
std::string WithPassed(std::string line, const Json& passed) {
  if (passed.empty()) return line;
  line.resize(line.size() - 2);  // without "}\n"
  return line + "," + DumpJson(passed).substr(1) + "\n";
}

// Adds "<prefix>logprobs", one for each token, and "<prefix>top_logprobs", [[id, logprob], ...] for
// each, where these were asked for.
void AddLogprobs(const std::vector<TokenLogprob>& tokens, const std::string& prefix,
                 OutputJson first, OutputJson& record) {
  OutputJson logprobs = first, tops = std::move(first);
  bool any = false;
  for (const TokenLogprob& one : tokens) {
    Heartbeat();
    logprobs.push_back(one.logprob);
    OutputJson top = OutputJson::array();
    for (const auto& [id, logprob] : one.likeliest) top.push_back(OutputJson::array({id, logprob}));
    any = any || !one.likeliest.empty();
    tops.push_back(std::move(top));
  }
  record[prefix + "logprobs"] = std::move(logprobs);
  if (any) record[prefix + "top_logprobs"] = std::move(tops);
}

void AddSample(const TextSample& sample, bool logprobs, OutputJson& record) {
  record["text"] = sample.text;
  record["tokens"] = sample.tokens;
  record["finish_reason"] = std::string(Name(sample.finish));
  if (sample.score) record["score"] = *sample.score;
  if (logprobs) AddLogprobs(sample.logprobs, "", OutputJson::array(), record);
}

std::string FormatGenerated(const LineRequest& request, const TextResult& result) {
  const TextRequest& asked = request.request;
  OutputJson record = {{"id", ToOutput(request.id)}, {"prompt", asked.prompt}};
  if (asked.prompt_logprobs)
    AddLogprobs(result.prompt_logprobs, "prompt_", OutputJson::array({nullptr}), record);
  if (asked.n == 1) {
    AddSample(result.samples.front(), asked.logprobs.has_value(), record);
    return WithPassed(Line(record), request.passed);
  }
  // Text by text: all of them as one object would be many times as large as the record.
  std::string samples;
  for (const TextSample& sample : result.samples) {
    OutputJson one = OutputJson::object();
    Heartbeat();
    AddSample(sample, asked.logprobs.has_value(), one);
    samples += (samples.empty() ? "" : ",") + Text(one);
  }
  std::string line = Text(record);
  line.pop_back();
  return WithPassed(line + ",\"samples\":[" + samples + "]}\n", request.passed);
}

// The whole text with nothing at its first token; or what is behind a context, and what all of that
// is worth.
std::string FormatScore(const LineRequest& request, const TextResult& result) {
  const TextRequest& asked = request.request;
  const bool has_context = asked.context_tokens > 0;
  OutputJson tokens = OutputJson::array(), logprobs = tokens, top = tokens;
  if (!has_context) {
    tokens.push_back(asked.tokens.front());
    logprobs.push_back(nullptr);
    top.push_back(nullptr);
  }
  double sum = 0.0;
  bool is_greedy = true;
  for (const TokenLogprob& one : result.prompt_logprobs) {
    tokens.push_back(one.token);
    logprobs.push_back(one.logprob);
    top.push_back(one.top);
    sum += one.logprob;
    is_greedy = is_greedy && one.token == one.top;
  }
  OutputJson record = {{"id", ToOutput(request.id)},
                       {"tokens", std::move(tokens)},
                       {"logprobs", std::move(logprobs)},
                       {"top", std::move(top)}};
  if (has_context) {
    record["sum_logprob"] = static_cast<float>(sum);
    record["is_greedy"] = is_greedy;
  }
  return WithPassed(Line(record), request.passed);
}

std::string FormatEmbedding(const LineRequest& request, const TextResult& result) {
  OutputJson values = OutputJson::array();
  for (const float value : result.embedding) values.push_back(value);
  return WithPassed(Line({{"id", ToOutput(request.id)}, {"embedding", std::move(values)}}),
                    request.passed);
}

}  // namespace

std::string FormatResult(const LineRequest& request, const TextResult& result) {
  switch (request.request.task) {
    case Task::kGenerate: return FormatGenerated(request, result);
    case Task::kScore: return FormatScore(request, result);
    case Task::kEmbed: return FormatEmbedding(request, result);
  }
  return {};
}

std::string FormatError(std::string_view line, std::int64_t index, std::string_view message) {
  OutputJson id = index;
  const auto beat = [](int, Json::parse_event_t, Json&) {
    Heartbeat();
    return true;
  };
  const Json object = Json::parse(line, beat, false);
  if (object.is_object() && object.contains("id"))
    if (const Json& given = object["id"]; given.is_string() || given.is_number_integer())
      id = ToOutput(given);
  return Line({{"id", std::move(id)}, {"error", std::string(message)}});
}

std::string FormatError(const Json& id, std::string_view message) {
  return Line({{"id", ToOutput(id)}, {"error", std::string(message)}});
}

}  // namespace lockstep
