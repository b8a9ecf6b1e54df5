#include "comm/peers/line_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

constexpr std::size_t kMostAddresses = 16;
constexpr int kAddressMilliseconds = 700;  // for one address of rank 0
constexpr int kAllMilliseconds = 2000;     // for all ranks, or all addresses

struct LineContact {
  std::uint64_t secret[2] = {};
  std::uint16_t port = 0;  // as the network has it; 0: there is none
  std::uint32_t count = 0;
  std::uint32_t addresses[kMostAddresses] = {};  // the same
};

struct LineHello {
  std::uint64_t secret[2] = {};
  std::int32_t rank = -1;
};

class TimeLeft {
 public:
  explicit TimeLeft(int milliseconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds)) {}

  int milliseconds() const {
    const auto left = end_ - std::chrono::steady_clock::now();
    const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::max<std::int64_t>(count, 0));
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

bool AwaitEvent(int socket, short event, int milliseconds) {
  pollfd polled{socket, event, 0};
  return ::poll(&polled, 1, milliseconds) == 1;
}

// A connection to that address that has been answered; -1 when it is not rank 0's.
int ConnectTo(std::uint32_t address, const LineContact& contact, const LineHello& hello) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connection < 0) return -1;
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = contact.port;
  there.sin_addr.s_addr = address;
  const TimeLeft time(kAddressMilliseconds);
  char answer = 0;
  const int begun = ::connect(connection, reinterpret_cast<sockaddr*>(&there), sizeof(there));
  const bool is_ours = (begun == 0 || errno == EINPROGRESS) &&
                       AwaitEvent(connection, POLLOUT, time.milliseconds()) &&
                       ::send(connection, &hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello) &&
                       AwaitEvent(connection, POLLIN, time.milliseconds()) &&
                       ::recv(connection, &answer, 1, 0) == 1;
  if (is_ours) return connection;
  ::close(connection);
  return -1;
}

// The rank that shows the secret on this connection; -1 when none does.
int RankOf(int connection, const std::uint64_t (&secret)[2], int milliseconds) {
  LineHello hello;
  if (!AwaitEvent(connection, POLLIN, milliseconds)) return -1;
  if (::recv(connection, &hello, sizeof(hello), MSG_DONTWAIT) != sizeof(hello)) return -1;
  if (std::memcmp(hello.secret, secret, sizeof(secret)) != 0) return -1;
  return hello.rank;
}

}  // namespace

std::vector<std::uint32_t> OwnAddresses() {
  std::vector<std::uint32_t> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    const bool is_up = (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_LOOPBACK) == 0;
    if (!is_up || one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in address{};
    std::memcpy(&address, one->ifa_addr, sizeof(address));
    if (addresses.size() < kMostAddresses) addresses.push_back(address.sin_addr.s_addr);
  }
  ::freeifaddrs(all);
  return addresses;
}

LineListener::~LineListener() {
  if (listener_ >= 0) ::close(listener_);
}

std::vector<std::byte> LineListener::Open() {
  LineContact contact;
  sockaddr_in here{};
  here.sin_family = AF_INET;
  socklen_t size = sizeof(here);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  auto* address = reinterpret_cast<sockaddr*>(&here);
  const bool opened = listener_ >= 0 && ::bind(listener_, address, sizeof(here)) == 0 &&
                      ::listen(listener_, SOMAXCONN) == 0 &&
                      ::getsockname(listener_, address, &size) == 0 &&
                      ::getrandom(secret_, sizeof(secret_), 0) == sizeof(secret_);
  if (opened) {
    const std::vector<std::uint32_t> addresses = OwnAddresses();
    std::ranges::copy(secret_, contact.secret);
    std::ranges::copy(addresses, contact.addresses);
    contact.count = static_cast<std::uint32_t>(addresses.size());
    contact.port = here.sin_port;
  }
  if (contact.count == 0 && listener_ >= 0) ::close(std::exchange(listener_, -1));
  std::vector<std::byte> bytes(sizeof(contact));
  std::memcpy(bytes.data(), &contact, sizeof(contact));
  return bytes;
}

std::vector<std::pair<int, int>> LineListener::Accept(const std::vector<int>& ranks) {
  std::vector<std::pair<int, int>> lines;
  const TimeLeft time(kAllMilliseconds);
  while (listener_ >= 0 && lines.size() < ranks.size()) {
    if (!AwaitEvent(listener_, POLLIN, time.milliseconds())) break;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) continue;
    const int rank =
        RankOf(connection, secret_, std::min(time.milliseconds(), kAddressMilliseconds));
    const char answer = 1;
    const bool is_ours = std::ranges::find(ranks, rank) != ranks.end() &&
                         ::send(connection, &answer, 1, MSG_NOSIGNAL) == 1;
    if (is_ours)
      lines.emplace_back(rank, connection);
    else
      ::close(connection);
  }
  return lines;
}

int ConnectLine(const std::vector<std::byte>& contact_bytes, int rank) {
  LineContact contact;
  if (contact_bytes.size() != sizeof(contact)) return -1;
  std::memcpy(&contact, contact_bytes.data(), sizeof(contact));
  LineHello hello{.rank = rank};
  std::ranges::copy(contact.secret, hello.secret);
  const TimeLeft time(kAllMilliseconds);
  const std::size_t count = std::min<std::size_t>(contact.count, kMostAddresses);
  for (std::size_t at = 0; contact.port != 0 && at < count && time.milliseconds() > 0; ++at) {
    const int connection = ConnectTo(contact.addresses[at], contact, hello);
    if (connection >= 0) return connection;
  }
  return -1;
}

bool IsClosed(int connection) {
  char byte = 0;
  const ssize_t bytes = ::recv(connection, &byte, 1, MSG_DONTWAIT);
  return bytes == 0 || (bytes < 0 && errno == ECONNRESET);
}

}  // namespace lockstep
