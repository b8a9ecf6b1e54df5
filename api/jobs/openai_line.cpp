#include "api/jobs/openai_line.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/openai/api_error.h"
#include "api/openai/read_request.h"
#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 4> kFields{"custom_id", "method", "url", "body"};

std::string ServedName(const Options& options) {
  return options.server.model_name.empty() ? options.model.path : options.server.model_name;
}

// The record of a line, whose response and error are texts of JSON.
std::string RecordOf(const InputLine& line, const Json& custom_id, std::string_view response,
                     std::string_view error) {
  return fmt::format(R"({{"id":"batch_req_{}","custom_id":{},"response":{},"error":{}}})"
                     "\n",
                     line.index, DumpJson(custom_id), response, error);
}

std::string ResponseOf(const InputLine& line, int status, std::string_view body) {
  return fmt::format(R"({{"status_code":{},"request_id":"req_{}","body":{}}})", status, line.index,
                     body);
}

std::string ErrorOf(std::string_view code, std::string_view message) {
  return DumpJson({{"code", code}, {"message", message}});
}

// What is wrong with the line around the body.
class NoSuchLine : public Error {
 public:
  explicit NoSuchLine(const std::string& message) : Error(ExitCode::kBadInput, message) {}
};

struct Envelope {
  std::string custom_id, url, body;
};

std::string TextField(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  if (found == object.end()) throw NoSuchLine(fmt::format("\"{}\" is missing", name));
  if (!found->is_string())
    throw NoSuchLine(fmt::format("\"{}\" is {}; expected a string", name, ShownJson(*found)));
  return found->get<std::string>();
}

Envelope ReadEnvelope(const Json& object) {
  for (const auto& [name, value] : object.items())
    if (std::ranges::find(kFields, name) == kFields.end())
      throw NoSuchLine(fmt::format(
          "\"{}\" is no field of a batch file's line; expected custom_id, method, url and body",
          name));
  Envelope envelope{.custom_id = TextField(object, "custom_id"), .url = {}, .body = {}};
  if (const std::string method = TextField(object, "method"); method != "POST")
    throw NoSuchLine(fmt::format("\"method\" is \"{}\"; expected \"POST\"", method));
  envelope.url = TextField(object, "url");
  const auto body = object.find("body");
  if (body == object.end() || !body->is_object())
    throw NoSuchLine("\"body\" is missing or no object; expected the request");
  envelope.body = DumpJson(*body);
  return envelope;
}

ReadRequest ReadBody(const Envelope& envelope, const InputLine& line, const JobRules& rules) {
  const std::string model = ServedName(rules.defaults);
  const RequestRules request{.model = model,
                             .defaults = rules.defaults,
                             .tokenizer = *rules.tokenizer,
                             .spec = rules.spec,
                             .line = line.index};
  const auto parts = [&](std::string_view kind) {
    return ReplyParts{.tokenizer = *rules.tokenizer,
                      .id = fmt::format("{}-{}", kind, line.index),
                      .model = model,
                      .created = 0};
  };
  if (envelope.url == "/v1/completions")
    return ReadCompletion(envelope.body, request, parts("cmpl"));
  if (envelope.url == "/v1/chat/completions")
    return ReadChat(envelope.body, request, rules.chat, parts("chatcmpl"));
  if (envelope.url == "/v1/embeddings") return ReadEmbedding(envelope.body, request);
  throw NoSuchLine(
      fmt::format("\"url\" is \"{}\"; expected /v1/completions, "
                  "/v1/chat/completions or /v1/embeddings",
                  envelope.url));
}

ReadRequest ReadWhole(const Envelope& envelope, const InputLine& line, const JobRules& rules) {
  ReadRequest read = ReadBody(envelope, line, rules);
  if (read.request->stream)
    throw ApiError(400, "a batch file's line cannot be streamed; leave stream out", "stream");
  return read;
}

class OpenAiLine : public LineCall {
 public:
  OpenAiLine(const InputLine& line, std::string custom_id, ReadRequest read)
      : line_{.text = {}, .where = line.where, .index = line.index},
        custom_id_(std::move(custom_id)),
        read_(std::move(read)) {}

  std::span<const LineRequest> requests() const override { return read_.request->prompts; }
  std::string Record(std::span<const TextResult> results) const override {
    return RecordOf(line_, custom_id_, ResponseOf(line_, 200, read_.reply->Whole(results)), "null");
  }
  std::string ErrorRecord(std::string_view message) const override {
    return RecordOf(line_, custom_id_, "null", ErrorOf("failed", message));
  }

 private:
  InputLine line_;
  std::string custom_id_;
  ReadRequest read_;
};

// The custom_id of a line that cannot be used, as far as it has one.
Json GivenId(const Json& object) {
  if (!object.is_object() || !object.contains("custom_id")) return {};
  const Json& id = object["custom_id"];
  return id.is_string() ? id : Json();
}

}  // namespace

// A field of that name alone may be one that is passed through.
bool IsOpenAiLine(std::string_view line) {
  const auto has = [line](std::string_view name) { return line.find(name) != line.npos; };
  return has("\"custom_id\"") && (has("\"body\"") || has("\"url\"") || has("\"method\""));
}

std::unique_ptr<LineCall> ReadOpenAiLine(const InputLine& line, const JobRules& rules) {
  Json object;
  try {
    object = ParseJson(line.text, line.where);
    const Envelope envelope = ReadEnvelope(object);
    return std::make_unique<OpenAiLine>(line, envelope.custom_id, ReadWhole(envelope, line, rules));
  } catch (const ApiError& error) {
    const std::string response = ResponseOf(line, error.status(), FormatApiError(error));
    throw RefusedLine(fmt::format("{}: {}", line.where, error.what()),
                      RecordOf(line, GivenId(object), response, "null"));
  } catch (const NoSuchLine& error) {
    const std::string message = fmt::format("{}: {}", line.where, error.what());
    throw RefusedLine(message,
                      RecordOf(line, GivenId(object), "null", ErrorOf("invalid_line", message)));
  } catch (const Error& error) {
    if (error.code() != ExitCode::kBadInput) throw;
    throw RefusedLine(error.what(),
                      RecordOf(line, Json(), "null", ErrorOf("invalid_line", error.what())));
  }
}

}  // namespace lockstep
