#pragma once

#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string>

namespace lockstep {

// Files in PEM: the certificate with those that lead to it, and its private key.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

// What connections are encrypted with: TLS 1.2 or later. Nothing where no file is named. Throws
// BadInput where one is missing, is not what it should be, or they do not belong together.
std::optional<boost::asio::ssl::context> OpenTls(const TlsFiles& files);

}  // namespace lockstep
