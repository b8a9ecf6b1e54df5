#include "server/http/connection.h"

#include <poll.h>

#include <boost/beast/http/error.hpp>
#include <chrono>

#include "core/error.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
using Tcp = NetworkStream::Tcp;
using Code = NetworkStream::Code;

// How often a client that has sent bytes is looked at: they would wake the watch again and again.
constexpr std::chrono::milliseconds kLookPeriod{100};

enum class Peer : std::uint8_t { kSilent, kHasSent, kLeft };

Peer Look(Tcp::socket& socket) {
  pollfd polled{socket.native_handle(), POLLIN | POLLRDHUP, 0};
  if (::poll(&polled, 1, 0) <= 0) return Peer::kSilent;
  const bool left = (polled.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  return left ? Peer::kLeft : Peer::kHasSent;
}

struct Watch {
  std::weak_ptr<Connection> watched;
  unsigned number;

  // Null when it is over.
  ConnectionPtr Connected(const Code& code) const {
    ConnectionPtr connection = watched.lock();
    return code || connection == nullptr || connection->watches != number ? nullptr : connection;
  }
};

void Go(const Watch& watch);

void GoLater(const Watch& watch, const ConnectionPtr& connection) {
  const auto timer = std::make_shared<asio::steady_timer>(connection->stream.get_executor());
  timer->expires_after(kLookPeriod);
  timer->async_wait([watch, timer](Code code) {
    if (watch.Connected(code) != nullptr) Go(watch);
  });
}

void Go(const Watch& watch) {
  const ConnectionPtr connection = watch.watched.lock();
  if (connection == nullptr) return;
  connection->stream.tcp().socket().async_wait(Tcp::socket::wait_read, [watch](Code code) {
    const ConnectionPtr there = watch.Connected(code);
    if (there == nullptr) return;
    const Peer peer = Look(there->stream.tcp().socket());
    there->left = peer == Peer::kLeft;
    if (there->left) there->wake.cancel();
    if (peer == Peer::kSilent) Go(watch);
    if (peer == Peer::kHasSent) GoLater(watch, there);
  });
}

}  // namespace

Connection::Connection(Tcp::socket socket, asio::ssl::context* tls)
    : stream(std::move(socket), tls), wake(stream.get_executor()) {
  wake.expires_at(std::chrono::steady_clock::time_point::max());
}

asio::ip::address PeerOf(Connection& connection) {
  Code ignored;
  return connection.stream.tcp().socket().remote_endpoint(ignored).address();
}

bool HasEnded(const Code& code) {
  return code == boost::beast::http::error::end_of_stream || code == boost::beast::error::timeout ||
         code == asio::error::operation_aborted || code == asio::error::connection_reset ||
         code == asio::error::broken_pipe || code == asio::error::eof ||
         code.category() == asio::error::get_ssl_category() ||
         code == asio::ssl::error::stream_truncated;
}

void Listen(Tcp::acceptor& acceptor, const std::string& host, std::uint16_t port) {
  const auto fail = [&](const Code& code) {
    if (code)
      throw EnvironmentError("server: cannot listen at {}:{}: {}; choose --host and --port", host,
                             port, code.message());
  };
  Code code;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, code);
  if (code)
    throw BadInput(
        "server.host (--host) is \"{}\"; expected an IP address of this machine, 0.0.0.0 for all "
        "of "
        "them, or localhost",
        host);
  const Tcp::endpoint place(address, port);
  acceptor.open(place.protocol(), code);
  fail(code);
  acceptor.set_option(asio::socket_base::reuse_address(true), code);
  acceptor.bind(place, code);
  fail(code);
  acceptor.listen(1024, code);
  fail(code);
}

void WatchForLeaving(const ConnectionPtr& connection) {
  Go({.watched = connection, .number = ++connection->watches});
}

}  // namespace lockstep
