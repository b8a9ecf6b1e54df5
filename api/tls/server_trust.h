#pragma once

#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string>

#include "api/server_address.h"
#include "api/tls/network_stream.h"

namespace lockstep {

// What a client of one server asks of its certificate: it leads to an authority that is trusted,
// and names the host. Streams that use it end before this. For one thread at a time.
class ServerTrust {
 public:
  // ca_file: certificates in PEM to trust in place of the system's; empty: the system's, which
  // SSL_CERT_FILE and SSL_CERT_DIR may replace. Throws BadInput where it has none, or the server is
  // not asked by https://, and as ReadFile().
  ServerTrust(const ServerAddress& address, const std::string& ca_file);

  // For NetworkStream; null where nothing is encrypted.
  boost::asio::ssl::context* context() { return tls_ ? &*tls_ : nullptr; }
  // Before the handshake of such a stream. Throws EnvironmentError.
  void Expect(NetworkStream::Tls& stream) const;
  // Why a handshake has failed, and what may be done.
  static std::string WhyNot(NetworkStream::Tls& stream, const NetworkStream::Code& code);

 private:
  std::string host_;
  std::optional<boost::asio::ssl::context> tls_;
};

}  // namespace lockstep
