#include "api/tls/server_trust.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

using TlsContext = boost::asio::ssl::context;

void TrustFile(TlsContext& tls, const std::string& file) {
  const std::string pem = ReadFile(file);
  NetworkStream::Code code;
  tls.add_certificate_authority(boost::asio::buffer(pem), code);
  const bool has_one = pem.find("-----BEGIN CERTIFICATE-----") != std::string::npos;
  if (!code && has_one) return;
  ERR_clear_error();
  throw BadInput("--tls-ca {}: is no certificate{}; expected one or more in PEM", file,
                 code ? fmt::format(" ({})", code.message()) : "");
}

void TrustSystem(TlsContext& tls) {
  NetworkStream::Code code;
  tls.set_default_verify_paths(code);
  if (code)
    throw EnvironmentError("the certificates of this system: {}; name a file with --tls-ca FILE",
                           code.message());
}

}  // namespace

ServerTrust::ServerTrust(const ServerAddress& address, const std::string& ca_file)
    : host_(address.host) {
  if (!address.is_encrypted) {
    if (ca_file.empty()) return;
    throw BadInput("--tls-ca {}: the server at {}:{} is asked without TLS; expected https://",
                   ca_file, address.host, address.port);
  }
  TlsContext& tls = tls_.emplace(TlsContext::tls_client);
  tls.set_options(TlsContext::default_workarounds);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(boost::asio::ssl::verify_peer);
  if (ca_file.empty())
    TrustSystem(tls);
  else
    TrustFile(tls, ca_file);
}

void ServerTrust::Expect(NetworkStream::Tls& stream) const {
  SSL* const tls = stream.native_handle();
  // Addresses stand in certificates of their own kind, and are asked for by no name.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host_.c_str()) == 1) return;
  ERR_clear_error();
  if (SSL_set_tlsext_host_name(tls, host_.c_str()) != 1 || SSL_set1_host(tls, host_.c_str()) != 1)
    throw EnvironmentError("TLS: \"{}\" is no name of a host", host_);
}

std::string ServerTrust::WhyNot(NetworkStream::Tls& stream, const NetworkStream::Code& code) {
  const long verified = SSL_get_verify_result(stream.native_handle());
  if (verified != X509_V_OK)
    return fmt::format(
        "its certificate is not trusted: {}; expected one for this host that an authority of this "
        "system has signed, or the one that --tls-ca FILE names",
        X509_verify_cert_error_string(verified));
  if (code.category() == boost::asio::error::get_ssl_category())
    return fmt::format("TLS: {}; where it speaks none, expected http://", code.message());
  return code.message();
}

}  // namespace lockstep
