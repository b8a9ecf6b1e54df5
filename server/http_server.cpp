#include "server/http_server.h"

#include <atomic>
#include <list>
#include <thread>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not say so

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "api/openai/api_error.h"
#include "api/tls/server_certificate.h"
#include "core/error.h"
#include "core/log.h"
#include "core/logging/structured_log.h"
#include "server/cors.h"
#include "server/http/connection.h"
#include "server/http/headers.h"
#include "server/routes.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;

constexpr std::uint32_t kMostHeaderBytes = 16 << 10;
// For the end of an encrypted connection, which both sides say.
constexpr std::chrono::milliseconds kGoodbyeTime{1000};

auto Into(Code& code) { return asio::redirect_error(asio::use_awaitable, code); }

// Parts of a request, which lives as long as its answer is made.
struct PlainRequest {
  std::string_view method;
  std::string_view target;
  std::string_view body;
};

std::string DataOf(EventWriter& stream, std::vector<CallEvent>& events, const LogLabel& label) {
  const LogScope about(&label);
  return stream.DataOf(events);
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpOptions& wanted, Service& answers)
      : options(wanted),
        cors(wanted.cors_origins),
        log(wanted.logging),
        tls(OpenTls({wanted.tls_cert, wanted.tls_key})),
        service(answers),
        acceptor(io) {}

  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(ConnectionPtr connection);
  asio::awaitable<bool> ShakeHands(ConnectionPtr connection);
  asio::awaitable<void> SayGoodbye(ConnectionPtr connection);
  asio::awaitable<Code> ReadBody(ConnectionPtr connection, beast::flat_buffer& buffer,
                                 http::request_parser<http::string_body>& parser);
  HttpAnswer ToUnread(const Code& code) const;
  asio::awaitable<bool> Answer(ConnectionPtr connection,
                               const http::request<http::string_body>& request);
  asio::awaitable<bool> Complete(ConnectionPtr connection,
                                 const http::request<http::string_body>& request,
                                 SlowReader reader);
  asio::awaitable<ReadRequest> ReadElsewhere(SlowReader reader, const std::string& body,
                                             const Connection& connection);
  asio::awaitable<HttpAnswer> AnswerElsewhere(PlainRequest request, const LogLabel& label);
  asio::awaitable<bool> Load(ConnectionPtr connection,
                             const http::request<http::string_body>& request);
  asio::awaitable<std::unique_ptr<LoadCall>> BeginLoadElsewhere(const std::string& body,
                                                                std::function<void()> notify);
  std::function<void()> Waker(const ConnectionPtr& connection);
  asio::awaitable<void> AwaitEvents(ConnectionPtr connection, CompletionCall& call,
                                    std::vector<CallEvent>& events);
  asio::awaitable<HttpAnswer> CollectAnswer(ConnectionPtr connection, CompletionCall& call,
                                            const ReadRequest& read);
  asio::awaitable<bool> Stream(ConnectionPtr connection, CompletionCall& call,
                               const ReadRequest& read,
                               const http::request<http::string_body>& asked);
  asio::awaitable<bool> Send(ConnectionPtr connection, HttpAnswer answer, bool keep_alive,
                             unsigned version);
  bool MayAsk(Connection& connection, const http::request<http::string_body>& request) const;

  const HttpOptions options;
  const CorsRules cors;
  const RequestLog log;
  std::optional<asio::ssl::context> tls;
  Service& service;
  asio::io_context io{1};
  asio::thread_pool workers{1};  // reads prompts, which takes long where they are long
  Tcp::acceptor acceptor;
  std::uint16_t port = 0;
  std::list<std::weak_ptr<Connection>> connections;
  bool draining = false;  // of the server's thread
  std::atomic<std::int64_t> open_answers = 0;
  std::thread thread;
};

asio::awaitable<void> HttpServer::Impl::Accept() {
  while (acceptor.is_open()) {
    Code code;
    Tcp::socket socket = co_await acceptor.async_accept(Into(code));
    if (code == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (code) {  // out of descriptors, most often: others may close theirs
      LogWarning("a connection was not accepted: {}", code.message());
      asio::steady_timer pause(io, std::chrono::milliseconds(100));
      co_await pause.async_wait(Into(code));
      continue;
    }
    socket.set_option(Tcp::no_delay(true), code);
    const auto connection = std::make_shared<Connection>(std::move(socket), tls ? &*tls : nullptr);
    connections.remove_if([](const auto& one) { return one.expired(); });
    connections.push_back(connection);
    asio::co_spawn(io, Serve(connection), asio::detached);
  }
}

HttpAnswer HttpServer::Impl::ToUnread(const Code& code) const {
  if (code == http::error::body_limit) return AnswerToTooLong(413, "body", options.most_body_bytes);
  if (code == http::error::header_limit) return AnswerToTooLong(431, "header", kMostHeaderBytes);
  return AnswerToUnreadable(code.message());
}

asio::awaitable<void> HttpServer::Impl::Serve(ConnectionPtr connection) {
  beast::flat_buffer buffer;
  bool open = co_await ShakeHands(connection);
  while (open && !draining) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMostHeaderBytes);
    parser.body_limit(static_cast<std::uint64_t>(options.most_body_bytes));
    connection->stream.tcp().expires_after(options.patience);
    Code code;
    co_await http::async_read_header(connection->stream, buffer, parser, Into(code));
    if (HasEnded(code)) break;
    connection->idle = false;  // what has begun is answered, also while the server ends
    connection->record = RecordOf(parser.get());
    ++open_answers;
    if (!code) code = co_await ReadBody(connection, buffer, parser);
    if (HasEnded(code)) {
      connection->record.outcome = ServedRequest::Outcome::kLeft;
      open = false;
    } else if (code) {
      co_await Send(connection, ToUnread(code), false, 11);
      open = false;
    } else {
      open = co_await Answer(connection, parser.get());
    }
    StopWatching(*connection);
    log.NoteEnd(connection->record);
    --open_answers;
    connection->idle = true;
  }
  co_await SayGoodbye(connection);
}

// False where it fails: of a client that speaks no TLS, or is too slow.
asio::awaitable<bool> HttpServer::Impl::ShakeHands(ConnectionPtr connection) {
  NetworkStream::Tls* encryption = connection->stream.tls();
  if (encryption == nullptr) co_return true;
  connection->stream.tcp().expires_after(options.patience);
  Code code;
  co_await encryption->async_handshake(asio::ssl::stream_base::server, Into(code));
  if (code) WriteLog(LogLevel::kDebug, fmt::format("a client is let go: TLS: {}", code.message()));
  co_return !code;
}

asio::awaitable<void> HttpServer::Impl::SayGoodbye(ConnectionPtr connection) {
  Code ignored;
  if (NetworkStream::Tls* encryption = connection->stream.tls(); encryption != nullptr) {
    connection->stream.tcp().expires_after(std::min(options.patience, kGoodbyeTime));
    co_await encryption->async_shutdown(Into(ignored));
  }
  connection->stream.tcp().socket().shutdown(Tcp::socket::shutdown_send, ignored);
}

// A client that has a long body waits a while before it sends it, in case it is not wanted.
asio::awaitable<Code> HttpServer::Impl::ReadBody(ConnectionPtr connection,
                                                 beast::flat_buffer& buffer,
                                                 http::request_parser<http::string_body>& parser) {
  Code code;
  if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    const http::response<http::empty_body> go_on(http::status::continue_, 11);
    co_await http::async_write(connection->stream, go_on, Into(code));
    if (code) co_return code;
  }
  co_await http::async_read(connection->stream, buffer, parser, Into(code));
  co_return code;
}

// Notes who it is.
bool HttpServer::Impl::MayAsk(Connection& connection,
                              const http::request<http::string_body>& request) const {
  const auto key = KeyOf(HeaderOf(request, http::field::authorization), options.api_keys);
  ClientTraits client{.peer = PeerOf(connection), .forwarded_for = ForwardedFor(request)};
  if (options.api_keys.size() > 1) client.key = key;
  connection.client = IdOf(client, options.trusted_proxies);
  return key || options.api_keys.empty();
}

asio::awaitable<bool> HttpServer::Impl::Answer(ConnectionPtr connection,
                                               const http::request<http::string_body>& request) {
  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view method(request.method_string().data(), request.method_string().size());
  const bool keep = request.keep_alive();
  connection->origin = cors.AllowedOrigin(HeaderOf(request, http::field::origin));
  const Preflight preflight{
      .method = method,
      .requested_method = HeaderOf(request, http::field::access_control_request_method),
      .requested_headers = HeaderOf(request, http::field::access_control_request_headers)};
  HttpAnswer answer;
  if (!connection->origin.empty() && IsPreflight(preflight)) {
    answer = AnswerPreflight(preflight);
  } else if (auto refused = RefusalOfHeaders(request, !connection->origin.empty())) {
    answer = *std::move(refused);
  } else if (NeedsKey(target) && !MayAsk(*connection, request)) {
    answer = AnswerOf(ApiError(401,
                               "the API key is missing or wrong; send it as "
                               "\"Authorization: Bearer KEY\""));
  } else if (const SlowReader reader = SlowReaderOf(method, target)) {
    co_return co_await Complete(connection, request, reader);
  } else if (IsLoad(method, target)) {
    co_return co_await Load(connection, request);
  } else {
    const PlainRequest plain{method == "HEAD" ? "GET" : method, target, request.body()};
    const LogLabel& label = connection->record.name.label;
    if (TakesTime(target)) {
      answer = co_await asio::co_spawn(workers, AnswerElsewhere(plain, label), asio::use_awaitable);
    } else {
      const LogScope about(&label);
      answer = AnswerPlain(service, plain.method, plain.target, plain.body);
    }
    if (MatchesTag(HeaderOf(request, http::field::if_none_match), answer.etag))
      answer = {.status = 304, .body = {}, .type = {}, .etag = answer.etag};
  }
  answer.header_only = method == "HEAD";
  co_return co_await Send(connection, std::move(answer), keep, request.version());
}

asio::awaitable<ReadRequest> HttpServer::Impl::ReadElsewhere(SlowReader reader,
                                                             const std::string& body,
                                                             const Connection& connection) {
  const LogLabel& label = connection.record.name.label;
  const LogScope about(&label);
  co_return (service.*reader)(body, {.id = label.request_id, .client = connection.client});
}

asio::awaitable<HttpAnswer> HttpServer::Impl::AnswerElsewhere(PlainRequest request,
                                                              const LogLabel& label) {
  const LogScope about(&label);
  co_return AnswerPlain(service, request.method, request.target, request.body);
}

asio::awaitable<bool> HttpServer::Impl::Complete(ConnectionPtr connection,
                                                 const http::request<http::string_body>& request,
                                                 SlowReader reader) {
  HttpAnswer answer;
  ServedRequest& record = connection->record;
  const unsigned version = request.version();
  try {
    const ReadRequest read = co_await asio::co_spawn(
        workers, ReadElsewhere(reader, request.body(), *connection), asio::use_awaitable);
    connection->left = false;
    WatchForLeaving(connection);
    const auto call = service.Begin(*read.request, Waker(connection), record.name.label);
    record.prompt_tokens = PromptTokensOf(*read.request);
    log.NoteAccepted(record);
    const ProgressScope progress(*call, record);
    if (read.request->stream) co_return co_await Stream(connection, *call, read, request);
    answer = co_await CollectAnswer(connection, *call, read);
    if (connection->left) {
      record.outcome = ServedRequest::Outcome::kLeft;
      co_return false;
    }
  } catch (...) {
    const LogScope about(&record.name.label);
    answer = AnswerOfCurrentException();
  }
  co_return co_await Send(connection, std::move(answer), request.keep_alive(), version);
}

// For other threads: wakes who waits on this connection.
std::function<void()> HttpServer::Impl::Waker(const ConnectionPtr& connection) {
  return [this, waiting = std::weak_ptr<Connection>(connection)] {
    asio::post(io, [waiting] {
      if (const auto there = waiting.lock()) there->wake.cancel();
    });
  };
}

asio::awaitable<std::unique_ptr<LoadCall>> HttpServer::Impl::BeginLoadElsewhere(
    const std::string& body, std::function<void()> notify) {
  co_return service.BeginLoad(body, std::move(notify));
}

asio::awaitable<bool> HttpServer::Impl::Load(ConnectionPtr connection,
                                             const http::request<http::string_body>& request) {
  HttpAnswer answer;
  try {
    const std::unique_ptr<LoadCall> call = co_await asio::co_spawn(
        workers, BeginLoadElsewhere(request.body(), Waker(connection)), asio::use_awaitable);
    connection->left = false;
    WatchForLeaving(connection);
    connection->stream.tcp().expires_never();
    while (!call->ended() && !connection->left) {
      Code woken;
      co_await connection->wake.async_wait(Into(woken));
    }
    if (connection->left) {
      connection->record.outcome = ServedRequest::Outcome::kLeft;
      co_return false;
    }
    answer.body = call->Answer();
  } catch (...) {
    const LogScope about(&connection->record.name.label);
    answer = AnswerOfCurrentException();
  }
  co_return co_await Send(connection, std::move(answer), request.keep_alive(), request.version());
}

asio::awaitable<void> HttpServer::Impl::AwaitEvents(ConnectionPtr connection, CompletionCall& call,
                                                    std::vector<CallEvent>& events) {
  connection->stream.tcp().expires_never();
  for (events = call.Take(); events.empty() && !connection->left; events = call.Take()) {
    Code woken;
    co_await connection->wake.async_wait(Into(woken));
  }
}

asio::awaitable<HttpAnswer> HttpServer::Impl::CollectAnswer(ConnectionPtr connection,
                                                            CompletionCall& call,
                                                            const ReadRequest& read) {
  std::vector<TextResult> results(read.request->prompts.size());
  std::vector<CallEvent> events;
  for (std::size_t open = results.size(); open > 0 && !connection->left;) {
    co_await AwaitEvents(connection, call, events);
    for (CallEvent& event : events) {
      if (event.error) throw Error(*event.error);
      if (!event.result) continue;
      results[event.prompt] = std::move(*event.result);
      --open;
    }
  }
  if (connection->left) co_return HttpAnswer{};
  co_return HttpAnswer{.status = 200, .body = read.reply->Whole(results)};
}

asio::awaitable<bool> HttpServer::Impl::Stream(ConnectionPtr connection, CompletionCall& call,
                                               const ReadRequest& read,
                                               const http::request<http::string_body>& asked) {
  NetworkStream& stream = connection->stream;
  const bool chunked = asked.version() >= 11;  // else the end of the connection is that of the text
  const bool keep_alive = chunked && asked.keep_alive();
  http::response<http::empty_body> head(http::status::ok, asked.version());
  head.set(http::field::content_type, "text/event-stream; charset=utf-8");
  head.set(http::field::cache_control, "no-cache");
  SetOrigin(cors, connection->origin, head);
  SetName(connection->record.name, head);
  head.chunked(chunked);
  head.keep_alive(keep_alive);
  http::response_serializer<http::empty_body> serializer(head);
  Code code;
  co_await http::async_write_header(stream, serializer, Into(code));
  ServedRequest& record = connection->record;
  record.status = 200;
  EventWriter reply(read);
  std::vector<CallEvent> events;
  while (!code && !connection->left && !reply.ended()) {
    co_await AwaitEvents(connection, call, events);
    const std::string data = DataOf(reply, events, record.name.label);
    if (data.empty()) continue;
    stream.tcp().expires_after(options.patience);
    if (chunked)
      co_await asio::async_write(stream, http::make_chunk(asio::buffer(data)), Into(code));
    else
      co_await asio::async_write(stream, asio::buffer(data), Into(code));
  }
  if (reply.failed()) record.outcome = ServedRequest::Outcome::kBroken;
  if (code || connection->left) {
    record.outcome = ServedRequest::Outcome::kLeft;
    co_return false;
  }
  if (chunked) co_await asio::async_write(stream, http::make_chunk_last(), Into(code));
  co_return keep_alive && !code && !reply.failed();
}

asio::awaitable<bool> HttpServer::Impl::Send(ConnectionPtr connection, HttpAnswer answer,
                                             bool keep_alive, unsigned version) {
  connection->record.status = answer.status;
  const bool header_only = answer.header_only;
  auto response = ResponseOf(std::move(answer), version);
  SetOrigin(cors, connection->origin, response);
  SetName(connection->record.name, response);
  response.keep_alive(keep_alive && !draining);
  connection->stream.tcp().expires_after(options.patience);
  Code code;
  http::response_serializer<http::string_body> serializer(response);
  if (header_only)
    co_await http::async_write_header(connection->stream, serializer, Into(code));
  else
    co_await http::async_write(connection->stream, serializer, Into(code));
  if (code) connection->record.outcome = ServedRequest::Outcome::kLeft;
  co_return !code && response.keep_alive();
}

HttpServer::HttpServer(const HttpOptions& options, Service& service)
    : impl_(std::make_unique<Impl>(options, service)) {
  Listen(impl_->acceptor, options.host, options.port);
  impl_->port = impl_->acceptor.local_endpoint().port();
  asio::co_spawn(impl_->io, impl_->Accept(), asio::detached);
  impl_->thread = std::thread([this] { impl_->io.run(); });
}

HttpServer::~HttpServer() {
  impl_->workers.join();
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::Drain() {
  asio::post(impl_->io, [this] {
    impl_->draining = true;
    Code ignored;
    impl_->acceptor.close(ignored);
    for (const auto& one : impl_->connections)
      if (const auto connection = one.lock(); connection && connection->idle)
        connection->stream.tcp().cancel();
  });
}

std::int64_t HttpServer::open_answers() const { return impl_->open_answers; }

}  // namespace lockstep
