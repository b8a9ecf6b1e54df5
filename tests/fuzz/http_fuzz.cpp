// Bytes that come over a connection: whatever they are, the server goes on, what it answers is
// HTTP, nothing is its own fault (500), and a refusal says why.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/json.h"
#include "core/log.h"
#include "server/http_server.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/http_client.h"

namespace {

using namespace lockstep;
namespace http = boost::beast::http;

// Answers what it takes at once, with as much as was asked for.
class InstantQueue : public RequestQueue {
 public:
  Admission Submit(TextRequest request, std::shared_ptr<RequestSink> sink) override {
    TextResult result{.samples = {}, .prompt_logprobs = {}};
    const TokenLogprob one{.token = 1, .logprob = -1.0f, .likeliest = {{1, -1.0f}}};
    if (request.prompt_logprobs) result.prompt_logprobs.assign(request.tokens.size() - 1, one);
    if (request.task == Task::kEmbed) result.embedding.assign(8, 0.5f);
    for (std::int64_t i = 0; request.task == Task::kGenerate && i < request.n; ++i) {
      TokenPiece piece{.text = "x", .token = 1, .finish = FinishReason::kLength};
      if (request.logprobs) piece.logprob = &one;
      if (i == 0) piece.prompt_logprobs = result.prompt_logprobs;
      sink->OnPiece(static_cast<std::size_t>(i), piece);
      TextSample& sample = result.samples.emplace_back();
      sample.text = "x";
      sample.tokens = {1};
      sample.finish = FinishReason::kLength;
      if (request.logprobs) sample.logprobs = {one};
    }
    sink->OnResult(std::move(result));
    return {.refusal = Refusal::kNone, .ticket = ++tickets_};
  }
  Refusal Refuse(ClientId /*client*/) override { return Refusal::kNone; }
  void Cancel(Ticket) override {}
  LoopStatistics statistics() const override { return {}; }
  void Drain() override {}
  void Abort() override {}

 private:
  Ticket tickets_ = 0;
};

ModelSpec SmallModel() {
  ModelSpec spec;
  spec.vocab_rows = 90;
  spec.context_tokens = 64;
  return spec;
}

// Lives as long as the process: connections of one input may end in the next.
struct Server {
  InstantQueue queue;
  Tokenizer tokenizer = Tokenizer::FromJson(ByteTokenizerJson(90), "test");
  ModelSpec spec = SmallModel();
  Options defaults;
  Service service{{.queue = queue,
                   .tokenizer = tokenizer,
                   .spec = spec,
                   .defaults = defaults,
                   .model = "served",
                   .end_tokens = {5},
                   .chat = {.chat_template = ChatTemplate(
                                "{% for m in messages %}{{ m.content }}{% endfor %}", {})}}};
  HttpServer http{{.port = 0, .most_body_bytes = 4096, .patience = std::chrono::milliseconds(500)},
                  service};
};

Server& TheServer() {
  static Server& server = *new Server;
  return server;
}

// Who ends the connection; the server does when a request asks for it.
enum class Ends : std::uint8_t { kByServer, kByClient };

// A connection that the client ended keeps its port for a minute, and an address has 28,000 of
// them: a few thousand connections come from one of the loopback's addresses, then from the next.
std::string NextAddress() {
  static std::uint32_t connections = 0;
  return "127.0." + std::to_string(1 + connections++ / 4096 % 250) + ".1";
}

// What comes until the server closes. A client that ends counts as one that leaves: its answer
// may be broken off.
std::string Exchange(const std::string& bytes, Ends ends) {
  const int connection = BeginRequest(TheServer().http.port(), bytes, NextAddress());
  if (ends == Ends::kByClient) ::shutdown(connection, SHUT_WR);
  const std::string answer = ReadAll(connection);
  ::close(connection);
  return answer;
}

void Require(bool holds, const char* what, const std::string& answer) {
  if (holds) return;
  std::cerr << what << ":\n" << answer << "\n";
  std::abort();
}

bool Says(const std::string& body) {
  const Json error = ParseJson(body, "an answer").value("error", Json::object());
  return error.contains("message") && !error["message"].get<std::string>().empty();
}

// head: whether the first answer is to a HEAD, which has no body.
void RequireAnswers(const std::string& bytes, Ends ends, const std::string& answer) {
  std::size_t at = 0;
  for (bool head = bytes.starts_with("HEAD "); at < answer.size() && !head;) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    boost::beast::error_code code;
    at += parser.put(boost::asio::buffer(answer.data() + at, answer.size() - at), code);
    if (code == http::error::need_more && ends == Ends::kByClient) return;
    Require(!code, code.message().c_str(), answer);
    const auto& reply = parser.get();
    Require(reply.result_int() != 500, "a fault of the server", answer);
    if (reply.result_int() == 100) continue;
    if (reply.result_int() >= 400) Require(Says(reply.body()), "no message", answer);
    if (bytes.find("HEAD ") != bytes.npos) return;  // which answer is to it is not known here
  }
}

constexpr std::array kPaths{"/v1/completions", "/v1/chat/completions", "/v1/embeddings",
                            "/tokenize", "/detokenize"};

}  // namespace

// The first byte says where the rest is a body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t kind = static_cast<std::uint8_t>(data[0] - '0');
  // Bodies get to their readers only with a length that fits.
  const bool is_body = kind < kPaths.size();
  const std::string bytes = is_body ? PostText(kPaths[kind], rest) : rest;
  const Ends ends = is_body ? Ends::kByServer : Ends::kByClient;
  RequireAnswers(bytes, ends, Exchange(bytes, ends));
  return 0;
}
