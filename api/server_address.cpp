#include "api/server_address.h"

#include "core/error.h"

namespace lockstep {

ServerAddress ParseServerUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://", kEncrypted = "https://";
  std::string_view rest = url;
  const bool is_encrypted = rest.starts_with(kEncrypted);
  if (is_encrypted)
    rest.remove_prefix(kEncrypted.size());
  else if (rest.starts_with(kScheme))
    rest.remove_prefix(kScheme.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.ends_with("/v1")) rest.remove_suffix(3);
  const auto colon = rest.rfind(':');
  const bool has_port = colon != std::string_view::npos && rest.find(']', colon) == rest.npos;
  std::string_view host = has_port ? rest.substr(0, colon) : rest;
  const std::string_view port = has_port ? rest.substr(colon + 1) : is_encrypted ? "443" : "80";
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool is_number = !port.empty() && port.find_first_not_of("0123456789") == port.npos;
  if (host.empty() || host.find('/') != host.npos || !is_number)
    throw BadInput("--url {}: expected http://HOST:PORT or https://HOST:PORT", url);
  return {std::string(host), std::string(port), is_encrypted};
}

}  // namespace lockstep
