#pragma once

#include <memory>
#include <string>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/tls/network_stream.h"
#include "engine/scheduling/fair_turns.h"
#include "server/http/request_log.h"

namespace lockstep {

// One client's connection, and what is known of the request that it is answered. For the server's
// thread.
struct Connection {
  // tls: as NetworkStream.
  Connection(NetworkStream::Tcp::socket socket, boost::asio::ssl::context* tls);

  NetworkStream stream;
  boost::asio::steady_timer wake;  // cancelled when there is something to look at
  bool idle = true;                // between two requests
  bool left = false;               // the client has
  unsigned watches = 0;            // so far; the last one alone is of interest
  std::string origin;              // that may read the answer; empty: its own alone
  ClientId client = kNobody;       // of the request that is answered
  ServedRequest record;
};
using ConnectionPtr = std::shared_ptr<Connection>;

// Of its other end; that of nobody where it is gone.
boost::asio::ip::address PeerOf(Connection& connection);

// Whether a connection has ended, rather than a request of it being wrong.
bool HasEnded(const NetworkStream::Code& code);

// Opens, and listens for connections. Throws EnvironmentError that names the address.
void Listen(NetworkStream::Tcp::acceptor& acceptor, const std::string& host, std::uint16_t port);

// Notices a client that leaves while it waits for its answer, until StopWatching(). Bytes that it
// has sent are left where they are: of its next request, or of the end of its encryption.
void WatchForLeaving(const ConnectionPtr& connection);
inline void StopWatching(Connection& connection) { ++connection.watches; }

}  // namespace lockstep
