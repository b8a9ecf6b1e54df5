#include "server/http/client_id.h"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include "server/routes.h"

namespace lockstep {
namespace {

namespace ip = boost::asio::ip;

// Numbers that are the first half of no address in use: ::/8 is reserved.
constexpr ClientId kOfV4 = ClientId{0xffff} << 32;
constexpr ClientId kOfReservedV6 = ClientId{2} << 48;  // ::1 among them
constexpr ClientId kOfKey = ClientId{3} << 48;

ClientId IdOf(const ip::address& address) {
  if (address.is_v4()) return kOfV4 | address.to_v4().to_uint();
  const ip::address_v6 long_one = address.to_v6();
  if (long_one.is_v4_mapped())
    return kOfV4 | ip::make_address_v4(ip::v4_mapped, long_one).to_uint();
  const ip::address_v6::bytes_type bytes = long_one.to_bytes();
  ClientId network = 0;
  for (std::size_t i = 0; i < sizeof(network); ++i) network = network << 8 | bytes.at(i);
  return bytes[0] == 0 ? kOfReservedV6 : network;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Some proxies write a port behind it: "1.2.3.4:5", "[::1]:5".
std::string_view WithoutPort(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    return end == std::string_view::npos ? "" : text.substr(1, end - 1);
  }
  const std::size_t colon = text.find(':');
  const bool has_port = colon != std::string_view::npos && colon == text.rfind(':');
  return has_port ? text.substr(0, colon) : text;
}

// The element so many places before the end; empty where there are fewer.
std::string_view FromTheEnd(std::span<const std::string_view> headers, std::int64_t place) {
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    std::string_view rest = *header;
    for (bool is_more = true; is_more; --place) {
      const std::size_t comma = rest.rfind(',');
      is_more = comma != std::string_view::npos;
      if (place == 1) return Trimmed(is_more ? rest.substr(comma + 1) : rest);
      if (is_more) rest = rest.substr(0, comma);
    }
  }
  return "";
}

}  // namespace

std::optional<std::size_t> KeyOf(std::string_view header, std::span<const std::string> keys) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (IsBearer(header, keys[i])) found = i;
  return found;
}

ClientId IdOf(const ClientTraits& client, std::int64_t trusted_proxies) {
  if (client.key) return kOfKey | *client.key;
  if (trusted_proxies > 0) {
    boost::system::error_code code;
    const std::string text(WithoutPort(FromTheEnd(client.forwarded_for, trusted_proxies)));
    const ip::address address = ip::make_address(text, code);
    if (!code) return IdOf(address);
  }
  return IdOf(client.peer);
}

}  // namespace lockstep
