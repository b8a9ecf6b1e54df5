#include "bench/load/targets/http_target.h"

#include <set>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not say so
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "api/tls/network_stream.h"
#include "api/tls/server_trust.h"
#include "bench/load/targets/answer_reader.h"
#include "core/error.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;
using Request = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t kMostWords = 64 << 10;  // of an answer that is no stream
constexpr std::uint64_t kMostBodyBytes = std::uint64_t{1} << 40;

auto Into(Code& code) { return asio::redirect_error(asio::use_awaitable, code); }

struct Connection {
  Connection(asio::io_context& io, asio::ssl::context* tls) : stream(Tcp::socket(io), tls) {}
  NetworkStream stream;
  beast::flat_buffer buffer;
  bool is_used = false;  // for an earlier request: the server may have closed it since
};
using ConnectionPtr = std::shared_ptr<Connection>;

RequestFailure FailureOf(const Code& code, const char* otherwise) {
  if (code == beast::error::timeout) return {"timeout", "nothing has come for --timeout seconds"};
  if (code == http::error::end_of_stream || code == http::error::partial_message ||
      code == asio::error::eof || code == asio::error::connection_reset ||
      code == asio::error::broken_pipe)
    return {"broken off", "the server has closed the connection"};
  if (code.category() == Code(http::error::bad_version).category())
    return {"no HTTP", code.message()};
  return {otherwise, code.message()};
}

// The words of an answer that is an error.
std::string MessageIn(const std::string& body) {
  const auto event = ReadEvent(body);
  return event && event->error ? *event->error : "";
}

std::string_view HeaderOf(Parser& parser, http::field field) {
  const auto value = parser.get()[field];
  return {value.data(), value.size()};
}

double SecondsIn(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

}  // namespace

struct HttpTarget::Impl {
  Impl(asio::io_context& context, HttpTargetOptions wanted)
      : io(context), options(std::move(wanted)), trust(options.address, options.tls_ca) {}

  asio::awaitable<void> Exchange(Request request, RequestRecord record, const RunClock& clock,
                                 Done done);
  asio::awaitable<void> Connect(Connection& connection, RequestRecord& record);
  asio::awaitable<bool> Begin(ConnectionPtr& connection, const Request& request,
                              std::optional<Parser>& parser, RequestRecord& record);
  asio::awaitable<Code> Ask(Connection& connection, const Request& request, Parser& parser);
  asio::awaitable<Code> ReadMore(Connection& connection, Parser& parser, std::string& bytes);
  asio::awaitable<void> ReadStream(Connection& connection, Parser& parser, const RunClock& clock,
                                   RequestRecord& record);
  asio::awaitable<void> ReadRefusal(Connection& connection, Parser& parser, RequestRecord& record);
  asio::awaitable<void> AskModels(std::string& body, RequestRecord& record);

  ConnectionPtr Take();
  Request RequestTo(http::verb method, const char* target) const;
  Request RequestOf(const LoadRequest& request) const;

  asio::io_context& io;
  HttpTargetOptions options;
  ServerTrust trust;
  Tcp::resolver::results_type places;
  std::vector<ConnectionPtr> idle;
  std::set<ConnectionPtr> busy;
  bool is_cancelled = false;
};

HttpTarget::HttpTarget(asio::io_context& io, HttpTargetOptions options)
    : impl_(std::make_unique<Impl>(io, std::move(options))) {
  const ServerAddress& address = impl_->options.address;
  Code code;
  impl_->places = Tcp::resolver(io).resolve(address.host, address.port, code);
  if (code)
    throw EnvironmentError("--url: the server at {}:{}: {}", address.host, address.port,
                           code.message());
}

HttpTarget::~HttpTarget() = default;

ConnectionPtr HttpTarget::Impl::Take() {
  if (idle.empty()) return std::make_shared<Connection>(io, trust.context());
  ConnectionPtr connection = std::move(idle.back());
  idle.pop_back();
  return connection;
}

Request HttpTarget::Impl::RequestTo(http::verb method, const char* target) const {
  Request request(method, target, 11);
  request.set(http::field::host, options.address.host + ":" + options.address.port);
  if (!options.api_key.empty())
    request.set(http::field::authorization, "Bearer " + options.api_key);
  return request;
}

Request HttpTarget::Impl::RequestOf(const LoadRequest& load) const {
  const bool chat = options.endpoint == LoadEndpoint::kChat;
  Request request = RequestTo(http::verb::post, chat ? "/v1/chat/completions" : "/v1/completions");
  Json body = options.fields;
  body["model"] = options.model;
  body["max_tokens"] = load.output_tokens;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  if (chat)
    body["messages"] = Json::array({{{"role", "user"}, {"content", load.text}}});
  else if (load.tokens.empty())
    body["prompt"] = load.text;
  else
    body["prompt"] = load.tokens;
  request.set(http::field::content_type, "application/json");
  request.set(http::field::accept, "text/event-stream");
  request.body() = DumpJson(body);
  request.prepare_payload();
  return request;
}

// Sends the request and reads the head of its answer.
asio::awaitable<Code> HttpTarget::Impl::Ask(Connection& connection, const Request& request,
                                            Parser& parser) {
  const auto patience = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(options.timeout_seconds));
  Code code;
  parser.body_limit(kMostBodyBytes);
  connection.stream.tcp().expires_after(patience);
  co_await http::async_write(connection.stream, request, Into(code));
  if (code) co_return code;
  connection.stream.tcp().expires_after(patience);
  co_await http::async_read_header(connection.stream, connection.buffer, parser, Into(code));
  co_return code;
}

// Where it fails the record says why.
asio::awaitable<void> HttpTarget::Impl::Connect(Connection& connection, RequestRecord& record) {
  Code code;
  connection.stream.tcp().expires_after(std::chrono::seconds(30));
  co_await connection.stream.tcp().async_connect(places, Into(code));
  if (code) {
    record.failure = FailureOf(code, "no connection");
    co_return;
  }
  connection.stream.tcp().socket().set_option(Tcp::no_delay(true), code);
  NetworkStream::Tls* const tls = connection.stream.tls();
  if (tls == nullptr) co_return;
  trust.Expect(*tls);
  co_await tls->async_handshake(asio::ssl::stream_base::client, Into(code));
  if (code) record.failure = {"no TLS", ServerTrust::WhyNot(*tls, code)};
}

// False where there is no answer; then the record says why. A connection that the server has closed
// between two requests is no failure: there are others.
asio::awaitable<bool> HttpTarget::Impl::Begin(ConnectionPtr& connection, const Request& request,
                                              std::optional<Parser>& parser,
                                              RequestRecord& record) {
  for (;;) {
    connection = Take();
    busy.insert(connection);
    Code code;
    if (!connection->is_used) co_await Connect(*connection, record);
    if (record.failure) co_return false;
    parser.emplace();
    code = co_await Ask(*connection, request, *parser);
    if (!code) co_return true;
    busy.erase(connection);
    const bool closed_meanwhile = connection->is_used && !parser->got_some();
    if (closed_meanwhile && code != beast::error::timeout && !is_cancelled) continue;
    record.failure = FailureOf(code, "broken off");
    co_return false;
  }
}

// The next bytes of the body.
asio::awaitable<Code> HttpTarget::Impl::ReadMore(Connection& connection, Parser& parser,
                                                 std::string& bytes) {
  Code code;
  connection.stream.tcp().expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(options.timeout_seconds)));
  co_await http::async_read_some(connection.stream, connection.buffer, parser, Into(code));
  bytes = std::exchange(parser.get().body(), "");
  co_return code;
}

asio::awaitable<void> HttpTarget::Impl::ReadStream(Connection& connection, Parser& parser,
                                                   const RunClock& clock, RequestRecord& record) {
  AnswerReader reader(record);
  std::string bytes;
  while (!parser.is_done()) {
    const Code code = co_await ReadMore(connection, parser, bytes);
    if (!reader.Push(bytes, clock.Now())) co_return;
    if (code == http::error::end_of_stream && parser.is_done()) break;
    if (!code) continue;
    record.failure = FailureOf(code, "broken off");
    co_return;
  }
  reader.Finish();
}

asio::awaitable<void> HttpTarget::Impl::ReadRefusal(Connection& connection, Parser& parser,
                                                    RequestRecord& record) {
  std::string body;
  std::string bytes;
  while (!parser.is_done() && body.size() < kMostWords) {
    if (co_await ReadMore(connection, parser, bytes)) break;
    body += bytes;
  }
  const unsigned status = parser.get().result_int();
  if (status != 200) {
    record.retry_after = SecondsIn(HeaderOf(parser, http::field::retry_after));
    record.failure = {fmt::format("status {}", status), MessageIn(body)};
  } else if (const auto event = ReadEvent(body); event && event->has_choice) {
    record.failure = {"not streamed", "the answer comes in one piece, not as an event stream"};
  } else {
    record.failure = {
        "no event stream",
        fmt::format("the answer is of type {}",
                    ShownJson(Json(std::string(HeaderOf(parser, http::field::content_type)))))};
  }
}

asio::awaitable<void> HttpTarget::Impl::Exchange(Request request, RequestRecord record,
                                                 const RunClock& clock, Done done) {
  ConnectionPtr connection;
  std::optional<Parser> parser;
  if (co_await Begin(connection, request, parser, record)) {
    const bool streams =
        parser->get().result_int() == 200 &&
        HeaderOf(*parser, http::field::content_type).starts_with("text/event-stream");
    if (streams)
      co_await ReadStream(*connection, *parser, clock, record);
    else
      co_await ReadRefusal(*connection, *parser, record);
    connection->is_used = true;
    if (parser->is_done() && parser->get().keep_alive()) idle.push_back(connection);
  }
  busy.erase(connection);
  if (record.failure && is_cancelled) {
    record.failure.reset();
    record.is_cancelled = true;
  }
  done(std::move(record));
}

void HttpTarget::Send(LoadRequest request, const RunClock& clock, Done done) {
  impl_->is_cancelled = false;
  RequestRecord record;
  record.start = clock.Now();
  record.prompt_tokens = request.prompt_tokens;
  asio::co_spawn(
      impl_->io,
      impl_->Exchange(impl_->RequestOf(request), std::move(record), clock, std::move(done)),
      asio::detached);
}

void HttpTarget::Cancel() {
  impl_->is_cancelled = true;
  for (const ConnectionPtr& connection : impl_->busy) connection->stream.tcp().close();
}

asio::awaitable<void> HttpTarget::Impl::AskModels(std::string& body, RequestRecord& record) {
  ConnectionPtr connection;
  std::optional<Parser> parser;
  if (!co_await Begin(connection, RequestTo(http::verb::get, "/v1/models"), parser, record))
    co_return;
  std::string bytes;
  while (!parser->is_done() && body.size() < kMostWords) {
    if (co_await ReadMore(*connection, *parser, bytes)) break;
    body += bytes;
  }
  busy.erase(connection);
  if (parser->get().result_int() != 200)
    record.failure = {fmt::format("status {}", parser->get().result_int()), MessageIn(body)};
}

const std::string& HttpTarget::FindModel() {
  if (!impl_->options.model.empty()) return impl_->options.model;
  const ServerAddress& address = impl_->options.address;
  const std::string where = fmt::format("--url: the server at {}:{}", address.host, address.port);
  std::string body;
  RequestRecord record;
  impl_->io.restart();
  asio::co_spawn(impl_->io, impl_->AskModels(body, record), asio::detached);
  impl_->io.run();
  if (record.failure) {
    const RequestFailure& failure = *record.failure;
    const bool has_status = failure.kind.starts_with("status");
    const std::string why = failure.detail.empty() ? failure.kind
                            : has_status ? fmt::format("{} ({})", failure.detail, failure.kind)
                                         : failure.detail;
    if (has_status)
      throw BadInput("{}: GET /v1/models: {}{}", where, why,
                     failure.kind == "status 401" ? kKeyWanted : "");
    const bool refused = failure.detail == Code(asio::error::connection_refused).message();
    throw EnvironmentError("{}: {}{}", where, why, refused ? kNobodyListens : "");
  }
  try {
    impl_->options.model = ParseJson(body, "models").at("data").at(0).at("id").get<std::string>();
  } catch (const std::exception&) {
    throw BadInput("{}: GET /v1/models names no model; give its name with --model NAME", where);
  }
  return impl_->options.model;
}

}  // namespace lockstep
