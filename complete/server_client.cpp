#include "complete/server_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "api/event_stream.h"
#include "core/error.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;

constexpr std::chrono::milliseconds kStopPeriod{100};
constexpr std::uint64_t kMostBodyBytes = std::uint64_t{1} << 40;

// The words of an error that a server has answered with.
std::string MessageOf(const std::string& body, unsigned status) {
  try {
    return ParseJson(body, "answer").at("error").at("message").get<std::string>();
  } catch (const std::exception&) {
    return fmt::format("it answers with status {}", status);
  }
}

// Hands the texts of a stream's events on.
class AnswerReader {
 public:
  explicit AnswerReader(const std::function<void(std::string_view)>& on_text) : on_text_(on_text) {}

  void Push(std::string_view bytes) {
    events_.Push(bytes);
    for (std::string_view event; !done_ && events_.Next(event);) Take(event);
  }
  bool done() const { return done_; }
  const std::string& finish() const { return finish_; }

 private:
  void Take(std::string_view event) {
    if (event == "[DONE]") {
      done_ = true;
      return;
    }
    const Json json = ParseJson(event, "an event of the server");
    if (json.contains("error"))
      throw EnvironmentError("the server: {}", MessageOf(std::string(event), 500));
    for (const Json& choice : json.value("choices", Json::array())) {
      on_text_(choice.value("text", ""));
      if (choice.contains("finish_reason") && choice["finish_reason"].is_string())
        finish_ = choice["finish_reason"].get<std::string>();
    }
  }

  const std::function<void(std::string_view)>& on_text_;
  EventStream events_;
  std::string finish_;
  bool done_ = false;
};

}  // namespace

// One request on a connection of its own, and its answer.
class ServerClient::Exchange {
 public:
  Exchange(const ServerAddress& address, ServerTrust& trust, const Stop& stop)
      : address_(address), trust_(trust), stop_(stop) {}

  // False where it was broken off.
  bool Begin(http::request<http::string_body>& request) {
    Tcp::resolver resolver(io_);
    Code code;
    const auto places = resolver.resolve(address_.host, address_.port, code);
    if (code) Fail(code.message());
    if (!Await([&](auto done) { stream_.tcp().async_connect(places, Ignoring(done)); }))
      return false;
    if (!ShakeHands()) return false;
    if (!Await([&](auto done) { http::async_write(stream_, request, Ignoring(done)); }))
      return false;
    parser_.body_limit(kMostBodyBytes);
    const auto read_head = [&](auto done) {
      http::async_read_header(stream_, buffer_, parser_, Ignoring(done));
    };
    if (!Await(read_head)) return false;
    if (!parser_.is_header_done())
      Fail(fmt::format("it has closed the connection without an answer{}",
                       stream_.tls() == nullptr ? "; if it speaks TLS, write https://" : ""));
    return true;
  }

  unsigned status() { return parser_.get().result_int(); }

  // The next bytes of the body; null at its end, or where it was broken off.
  std::optional<std::string> Read() {
    if (parser_.is_done() || is_closed_) return std::nullopt;
    if (!Await(
            [&](auto done) { http::async_read_some(stream_, buffer_, parser_, Ignoring(done)); }))
      return std::nullopt;
    return std::exchange(parser_.get().body(), "");
  }

  std::string ReadAll() {
    std::string body;
    while (const auto bytes = Read()) body += *bytes;
    return body;
  }

 private:
  // False where it was broken off.
  bool ShakeHands() {
    NetworkStream::Tls* const tls = stream_.tls();
    if (tls == nullptr) return true;
    trust_.Expect(*tls);
    Code result;
    const bool ended = Await([&](auto done) {
      tls->async_handshake(asio::ssl::stream_base::client, [&result, done](const Code& code) {
        result = code;
        done({});
      });
    });
    if (result && ended) Fail(ServerTrust::WhyNot(*tls, result));
    return ended;
  }

  template <typename Done>
  static auto Ignoring(Done done) {
    return [done](Code code, auto&&...) { done(code); };
  }

  [[noreturn]] void Fail(const std::string& why) const {
    throw EnvironmentError("the server at {}:{}: {}", address_.host, address_.port, why);
  }

  // Until what is started is done; false where that is broken off.
  template <typename Start>
  bool Await(const Start& start) {
    if (stop_()) return false;  // also where bytes come one after the other
    std::optional<Code> result;
    start([&result](Code code) { result = code; });
    while (!result) {
      io_.restart();
      io_.run_for(kStopPeriod);
      if (result || !stop_()) continue;
      stream_.tcp().cancel();
      io_.restart();
      io_.run();
      return false;
    }
    is_closed_ = *result == http::error::end_of_stream;
    if (*result && !is_closed_)
      Fail(result->message() +
           std::string(*result == asio::error::connection_refused ? kNobodyListens : ""));
    return true;
  }

  const ServerAddress& address_;
  ServerTrust& trust_;
  const Stop& stop_;
  bool is_closed_ = false;  // by the server
  asio::io_context io_{1};
  NetworkStream stream_{Tcp::socket(io_), trust_.context()};
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
};

namespace {

http::request<http::string_body> RequestTo(const ServerAddress& address, const std::string& api_key,
                                           http::verb method, const char* target) {
  http::request<http::string_body> request(method, target, 11);
  request.set(http::field::host, address.host + ":" + address.port);
  request.set(http::field::connection, "close");
  if (!api_key.empty()) request.set(http::field::authorization, "Bearer " + api_key);
  return request;
}

}  // namespace

std::string ServerClient::ModelName(const Stop& stop) {
  auto request = RequestTo(address_, api_key_, http::verb::get, "/v1/models");
  Exchange exchange(address_, trust_, stop);
  if (!exchange.Begin(request)) return "";
  const std::string body = exchange.ReadAll();
  if (exchange.status() != 200)
    throw BadInput("the server at {}:{}: {}{}", address_.host, address_.port,
                   MessageOf(body, exchange.status()), exchange.status() == 401 ? kKeyWanted : "");
  try {
    return ParseJson(body, "models").at("data").at(0).at("id").get<std::string>();
  } catch (const std::exception&) {
    throw BadInput("the server at {}:{}: GET /v1/models names no model", address_.host,
                   address_.port);
  }
}

std::optional<ServerClient::TextLength> ServerClient::LengthOf(const std::string& text,
                                                               const Stop& stop) {
  auto request = RequestTo(address_, api_key_, http::verb::post, "/tokenize");
  request.set(http::field::content_type, "application/json");
  request.body() = DumpJson({{"prompt", text}});
  request.prepare_payload();
  Exchange exchange(address_, trust_, stop);
  if (!exchange.Begin(request)) return std::nullopt;
  const std::string body = exchange.ReadAll();
  if (exchange.status() != 200) return std::nullopt;
  try {
    const Json answer = ParseJson(body, "tokenize");
    return TextLength{answer.at("count").get<std::int64_t>(),
                      answer.at("max_model_len").get<std::int64_t>()};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string ServerClient::Complete(Json asked, const std::function<void(std::string_view)>& on_text,
                                   const Stop& stop) {
  asked["stream"] = true;
  auto request = RequestTo(address_, api_key_, http::verb::post, "/v1/completions");
  request.set(http::field::content_type, "application/json");
  request.body() = DumpJson(asked);
  request.prepare_payload();
  Exchange exchange(address_, trust_, stop);
  if (!exchange.Begin(request)) return "";
  if (exchange.status() != 200)
    throw BadInput("{}", MessageOf(exchange.ReadAll(), exchange.status()));
  AnswerReader reader(on_text);
  while (!reader.done()) {
    const auto bytes = exchange.Read();
    if (!bytes) break;
    reader.Push(*bytes);
  }
  if (!reader.done() && !stop())
    throw EnvironmentError("the server at {}:{} has broken its answer off", address_.host,
                           address_.port);
  return reader.done() ? reader.finish() : "";
}

}  // namespace lockstep
