#include "server/http_server.h"

#include <atomic>
#include <list>
#include <thread>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not say so

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "api/openai/api_error.h"
#include "core/error.h"
#include "core/log.h"
#include "server/cors.h"
#include "server/routes.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;

constexpr std::uint32_t kMostHeaderBytes = 16 << 10;
auto Into(Code& code) { return asio::redirect_error(asio::use_awaitable, code); }

// One client's connection.
struct Connection {
  explicit Connection(Tcp::socket socket) : stream(std::move(socket)), wake(stream.get_executor()) {
    wake.expires_at(std::chrono::steady_clock::time_point::max());
  }
  beast::tcp_stream stream;
  asio::steady_timer wake;  // cancelled when there is something to look at
  bool idle = true;         // between two requests
  bool left = false;        // the client has
  std::string origin;       // that may read the answer; empty: its own alone
};
using ConnectionPtr = std::shared_ptr<Connection>;

std::string_view HeaderOf(const http::request<http::string_body>& request, http::field field) {
  const auto value = request[field];
  return {value.data(), value.size()};
}

// Parts of a request, which lives as long as its answer is made.
struct PlainRequest {
  std::string_view method;
  std::string_view target;
  std::string_view body;
};

// With a list of origins an answer depends on who asks, and caches are to know.
template <typename Head>
void SetOrigin(const CorsRules& cors, const std::string& origin, Head& head) {
  if (!origin.empty()) head.set(http::field::access_control_allow_origin, origin);
  if (cors.tells_origins_apart()) head.set(http::field::vary, "Origin");
}

// Notices a client that leaves while it waits for its answer. Bytes of its next request are left
// where they are, and end the watch.
void WatchForLeaving(const ConnectionPtr& watched_by) {
  const std::weak_ptr<Connection> watched = watched_by;
  watched_by->stream.socket().async_wait(Tcp::socket::wait_read, [watched](Code code) {
    const ConnectionPtr connection = watched.lock();
    if (code || connection == nullptr) return;
    char byte = 0;
    Tcp::socket& socket = connection->stream.socket();
    Code peeked;
    socket.non_blocking(true, peeked);
    const std::size_t bytes =
        socket.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, peeked);
    connection->left = bytes == 0 && peeked != asio::error::would_block;
    if (connection->left) connection->wake.cancel();
  });
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpOptions& wanted, Service& answers)
      : options(wanted), cors(wanted.cors_origins), service(answers), acceptor(io) {}

  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(ConnectionPtr connection);
  asio::awaitable<Code> Read(ConnectionPtr connection, beast::flat_buffer& buffer,
                             http::request_parser<http::string_body>& parser);
  asio::awaitable<bool> Answer(ConnectionPtr connection,
                               const http::request<http::string_body>& request);
  asio::awaitable<bool> Complete(ConnectionPtr connection,
                                 const http::request<http::string_body>& request,
                                 SlowReader reader);
  asio::awaitable<ReadRequest> ReadElsewhere(SlowReader reader, const std::string& body);
  asio::awaitable<HttpAnswer> AnswerElsewhere(PlainRequest request);
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
  bool MayAsk(const http::request<http::string_body>& request) const;

  const HttpOptions options;
  const CorsRules cors;
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
    const auto connection = std::make_shared<Connection>(std::move(socket));
    connections.remove_if([](const auto& one) { return one.expired(); });
    connections.push_back(connection);
    asio::co_spawn(io, Serve(connection), asio::detached);
  }
}

asio::awaitable<void> HttpServer::Impl::Serve(ConnectionPtr connection) {
  beast::flat_buffer buffer;
  bool open = true;
  while (open && !draining) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMostHeaderBytes);
    parser.body_limit(static_cast<std::uint64_t>(options.most_body_bytes));
    const Code code = co_await Read(connection, buffer, parser);
    if (code == http::error::end_of_stream || code == beast::error::timeout ||
        code == asio::error::operation_aborted || code == asio::error::connection_reset)
      break;
    connection->idle = false;
    ++open_answers;
    if (code) {
      co_await Send(connection,
                    AnswerToUnreadable(code.message(), code == http::error::body_limit,
                                       code == http::error::header_limit),
                    false, 11);
      open = false;
    } else {
      open = co_await Answer(connection, parser.get());
    }
    --open_answers;
    connection->idle = true;
  }
  Code ignored;
  connection->stream.socket().shutdown(Tcp::socket::shutdown_send, ignored);
}

// A client that has a long body waits a while before it sends it, in case it is not wanted.
asio::awaitable<Code> HttpServer::Impl::Read(ConnectionPtr connection, beast::flat_buffer& buffer,
                                             http::request_parser<http::string_body>& parser) {
  connection->stream.expires_after(options.patience);
  Code code;
  co_await http::async_read_header(connection->stream, buffer, parser, Into(code));
  if (code) co_return code;
  if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    const http::response<http::empty_body> go_on(http::status::continue_, 11);
    co_await http::async_write(connection->stream, go_on, Into(code));
    if (code) co_return code;
  }
  co_await http::async_read(connection->stream, buffer, parser, Into(code));
  co_return code;
}

bool HttpServer::Impl::MayAsk(const http::request<http::string_body>& request) const {
  if (options.api_key.empty()) return true;
  return IsBearer(HeaderOf(request, http::field::authorization), options.api_key);
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
  } else if (NeedsKey(target) && !MayAsk(request)) {
    answer = AnswerOf(ApiError(401,
                               "the API key is missing or wrong; send it as "
                               "\"Authorization: Bearer KEY\""));
  } else if (const SlowReader reader = SlowReaderOf(method, target)) {
    co_return co_await Complete(connection, request, reader);
  } else if (IsLoad(method, target)) {
    co_return co_await Load(connection, request);
  } else {
    const PlainRequest plain{method == "HEAD" ? "GET" : method, target, request.body()};
    if (TakesTime(target))
      answer = co_await asio::co_spawn(workers, AnswerElsewhere(plain), asio::use_awaitable);
    else
      answer = AnswerPlain(service, plain.method, plain.target, plain.body);
    if (!answer.etag.empty() && HeaderOf(request, http::field::if_none_match) == answer.etag)
      answer = {.status = 304, .body = {}, .type = {}, .etag = answer.etag};
  }
  answer.header_only = method == "HEAD";
  co_return co_await Send(connection, std::move(answer), keep, request.version());
}

asio::awaitable<ReadRequest> HttpServer::Impl::ReadElsewhere(SlowReader reader,
                                                             const std::string& body) {
  co_return (service.*reader)(body);
}

asio::awaitable<HttpAnswer> HttpServer::Impl::AnswerElsewhere(PlainRequest request) {
  co_return AnswerPlain(service, request.method, request.target, request.body);
}

asio::awaitable<bool> HttpServer::Impl::Complete(ConnectionPtr connection,
                                                 const http::request<http::string_body>& request,
                                                 SlowReader reader) {
  HttpAnswer answer;
  const unsigned version = request.version();
  try {
    const ReadRequest read = co_await asio::co_spawn(workers, ReadElsewhere(reader, request.body()),
                                                     asio::use_awaitable);
    connection->left = false;
    WatchForLeaving(connection);
    const auto call = service.Begin(*read.request, Waker(connection));
    if (read.request->stream) co_return co_await Stream(connection, *call, read, request);
    answer = co_await CollectAnswer(connection, *call, read);
    if (connection->left) co_return false;
  } catch (...) {
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
    connection->stream.expires_never();
    while (!call->ended() && !connection->left) {
      Code woken;
      co_await connection->wake.async_wait(Into(woken));
    }
    if (connection->left) co_return false;
    answer.body = call->Answer();
  } catch (...) {
    answer = AnswerOfCurrentException();
  }
  co_return co_await Send(connection, std::move(answer), request.keep_alive(), request.version());
}

asio::awaitable<void> HttpServer::Impl::AwaitEvents(ConnectionPtr connection, CompletionCall& call,
                                                    std::vector<CallEvent>& events) {
  connection->stream.expires_never();
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
  beast::tcp_stream& stream = connection->stream;
  const bool chunked = asked.version() >= 11;  // else the end of the connection is that of the text
  const bool keep_alive = chunked && asked.keep_alive();
  http::response<http::empty_body> head(http::status::ok, asked.version());
  head.set(http::field::content_type, "text/event-stream; charset=utf-8");
  head.set(http::field::cache_control, "no-cache");
  SetOrigin(cors, connection->origin, head);
  head.chunked(chunked);
  head.keep_alive(keep_alive);
  http::response_serializer<http::empty_body> serializer(head);
  Code code;
  co_await http::async_write_header(stream, serializer, Into(code));
  EventStream reply(read);
  std::vector<CallEvent> events;
  while (!code && !connection->left && !reply.ended()) {
    co_await AwaitEvents(connection, call, events);
    const std::string data = reply.DataOf(events);
    if (data.empty()) continue;
    stream.expires_after(options.patience);
    if (chunked)
      co_await asio::async_write(stream, http::make_chunk(asio::buffer(data)), Into(code));
    else
      co_await asio::async_write(stream, asio::buffer(data), Into(code));
  }
  if (code || connection->left) co_return false;
  if (chunked) co_await asio::async_write(stream, http::make_chunk_last(), Into(code));
  co_return keep_alive && !code && !reply.failed();
}

asio::awaitable<bool> HttpServer::Impl::Send(ConnectionPtr connection, HttpAnswer answer,
                                             bool keep_alive, unsigned version) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  if (!answer.type.empty()) response.set(http::field::content_type, answer.type);
  response.set("X-Content-Type-Options", "nosniff");
  SetOrigin(cors, connection->origin, response);
  for (const auto& [name, value] : answer.headers) response.set(name, value);
  if (!answer.etag.empty()) response.set(http::field::etag, answer.etag);
  if (!answer.etag.empty()) response.set(http::field::cache_control, "no-cache");
  if (!answer.policy.empty()) response.set("Content-Security-Policy", answer.policy);
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (answer.status == 503) response.set(http::field::retry_after, "1");
  if (answer.status == 401) response.set(http::field::www_authenticate, "Bearer");
  response.keep_alive(keep_alive && !draining);
  response.body() = std::move(answer.body);
  response.prepare_payload();
  connection->stream.expires_after(options.patience);
  Code code;
  http::response_serializer<http::string_body> serializer(response);
  if (answer.header_only)
    co_await http::async_write_header(connection->stream, serializer, Into(code));
  else
    co_await http::async_write(connection->stream, serializer, Into(code));
  co_return !code && response.keep_alive();
}

HttpServer::HttpServer(const HttpOptions& options, Service& service)
    : impl_(std::make_unique<Impl>(options, service)) {
  const auto fail = [&](const Code& code) {
    if (code)
      throw EnvironmentError("server: cannot listen at {}:{}: {}; choose --host and --port",
                             options.host, options.port, code.message());
  };
  Code code;
  const auto address =
      asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, code);
  fail(code);
  Tcp::acceptor& acceptor = impl_->acceptor;
  const Tcp::endpoint place(address, options.port);
  acceptor.open(place.protocol(), code);
  fail(code);
  acceptor.set_option(asio::socket_base::reuse_address(true), code);
  acceptor.bind(place, code);
  fail(code);
  acceptor.listen(1024, code);
  fail(code);
  impl_->port = acceptor.local_endpoint().port();
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
        connection->stream.cancel();
  });
}

std::int64_t HttpServer::open_answers() const { return impl_->open_answers; }

}  // namespace lockstep
