#pragma once

#include <filesystem>
#include <string>

namespace lockstep {

// A key and a certificate of it for 127.0.0.1 and localhost, made anew by openssl. Files in
// `folder` that begin with `name`.
struct TestCertificate {
  std::string certificate;
  std::string key;
};
TestCertificate MakeCertificate(const std::filesystem::path& folder, const std::string& name = "");

}  // namespace lockstep
