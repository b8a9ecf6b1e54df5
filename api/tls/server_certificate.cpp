#include "api/tls/server_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/buffer.hpp>

#include "core/error.h"
#include "core/files/file.h"
#include "core/log.h"

namespace lockstep {
namespace {

using boost::asio::ssl::context;
using Code = boost::system::error_code;

std::string ReadOf(const char* flag, const std::string& file) {
  try {
    return ReadFile(file);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{} {}", flag, error.what()));
  }
}

void UseCertificate(context& tls, const std::string& file) {
  const std::string pem = ReadOf("--tls-cert", file);
  Code code;
  tls.use_certificate_chain(boost::asio::buffer(pem), code);
  if (code)
    throw BadInput(
        "--tls-cert {}: is no certificate ({}); expected one in PEM, and behind it those "
        "that lead to it",
        file, code.message());
}

// A key that wants a passphrase would have the server wait for somebody to type it.
void UseKey(context& tls, const TlsFiles& files) {
  const std::string pem = ReadOf("--tls-key", files.key);
  if (pem.find("ENCRYPTED") != std::string::npos)
    throw BadInput(
        "--tls-key {}: is encrypted; expected a key without a passphrase (openssl pkey -in FILE)",
        files.key);
  Code code;
  tls.use_private_key(boost::asio::buffer(pem), context::pem, code);
  if (!code && SSL_CTX_check_private_key(tls.native_handle()) == 1) return;
  const bool mismatch = !code || code.message().find("mismatch") != std::string::npos;
  ERR_clear_error();
  if (mismatch)
    throw BadInput("--tls-key {}: is not the key of the certificate {}", files.key,
                   files.certificate);
  throw BadInput("--tls-key {}: is no private key ({}); expected one in PEM", files.key,
                 code.message());
}

void WarnOfTime(context& tls, const std::string& file) {
  const X509* certificate = SSL_CTX_get0_certificate(tls.native_handle());
  if (certificate == nullptr) return;
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    LogWarning("--tls-cert {}: the certificate has expired; clients will refuse it", file);
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    LogWarning("--tls-cert {}: the certificate is not valid yet; clients will refuse it", file);
}

}  // namespace

std::optional<context> OpenTls(const TlsFiles& files) {
  if (files.certificate.empty() && files.key.empty()) return std::nullopt;
  if (files.key.empty())
    throw BadInput("--tls-cert {} is given without --tls-key; expected both", files.certificate);
  if (files.certificate.empty())
    throw BadInput("--tls-key {} is given without --tls-cert; expected both", files.key);
  std::optional<context> tls(std::in_place, context::tls_server);
  tls->set_options(context::default_workarounds | context::single_dh_use);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  UseCertificate(*tls, files.certificate);
  UseKey(*tls, files);
  WarnOfTime(*tls, files.certificate);
  return tls;
}

}  // namespace lockstep
