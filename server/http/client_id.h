#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "engine/scheduling/fair_turns.h"

namespace lockstep {

// Which of several keys stands behind "Bearer " in a header; takes as long whatever is wrong.
std::optional<std::size_t> KeyOf(std::string_view header, std::span<const std::string> keys);

// What tells clients apart, for a fair queue.
struct ClientTraits {
  boost::asio::ip::address peer;  // of the connection
  // The headers X-Forwarded-For, in their order, each with addresses between commas.
  std::vector<std::string_view> forwarded_for = {};
  std::optional<std::size_t> key = {};  // that it has shown, where several are known
};

// Its key where there are several, else its address; of IPv6 the network (/64), of which a client
// has as many addresses as it likes. trusted_proxies: so many stand before the server and each
// writes at the end of X-Forwarded-For whom it has heard; what stands before that anybody may have
// written. Where there are not so many addresses, or what stands there is none, it is the peer's.
ClientId IdOf(const ClientTraits& client, std::int64_t trusted_proxies);

}  // namespace lockstep
