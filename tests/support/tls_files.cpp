#include "tests/support/tls_files.h"

#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

namespace lockstep {

TestCertificate MakeCertificate(const std::filesystem::path& folder, const std::string& name) {
  const TestCertificate made{(folder / (name + "cert.pem")).string(),
                             (folder / (name + "key.pem")).string()};
  const std::string command = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
      "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
      "-keyout '{}' -out '{}' 2>/dev/null",
      made.key, made.certificate);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl makes no certificate");
  return made;
}

}  // namespace lockstep
