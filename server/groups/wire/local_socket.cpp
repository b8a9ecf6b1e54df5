#include "server/groups/wire/local_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <random>

#include "core/error.h"

namespace lockstep {
namespace {

struct Address {
  sockaddr_un place{};
  socklen_t size = 0;
};

// A zero before the name makes it abstract.
Address AddressOf(const std::string& name) {
  Address address;
  address.place.sun_family = AF_UNIX;
  LOCKSTEP_CHECK(name.size() + 1 < sizeof(address.place.sun_path), "the socket {}", name);
  ::memcpy(address.place.sun_path + 1, name.data(), name.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

// blocking: SOCK_NONBLOCK, or 0.
Descriptor NewSocket(int blocking) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | blocking, 0));
  if (!socket) throw EnvironmentError("a local socket cannot be had: {}", ::strerror(errno));
  return socket;
}

std::string NewName() {
  std::random_device random;
  return fmt::format("lockstep-{}-{:08x}{:08x}", ::getpid(), random(), random());
}

bool IsOurs(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

}  // namespace

LocalListener::LocalListener() : name_(NewName()), socket_(NewSocket(SOCK_NONBLOCK)) {
  const Address address = AddressOf(name_);
  if (::bind(number(), reinterpret_cast<const sockaddr*>(&address.place), address.size) != 0 ||
      ::listen(number(), 4) != 0)
    throw EnvironmentError("the local socket @{}: {}", name_, ::strerror(errno));
}

Descriptor LocalListener::Accept() const {
  Descriptor peer(::accept4(number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return peer && IsOurs(peer.number()) ? std::move(peer) : Descriptor();
}

Descriptor ConnectTo(const std::string& name) {
  Descriptor socket = NewSocket(0);
  const Address address = AddressOf(name);
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address.place), address.size) !=
      0)
    throw EnvironmentError(
        "the server is not at its local socket @{}: {}; rank 0 has to be on the server's host",
        name, ::strerror(errno));
  return socket;
}

WakeUp::WakeUp() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw EnvironmentError("eventfd: {}", ::strerror(errno));
}

void WakeUp::Ring() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(number(), &one, sizeof(one));
}

void WakeUp::Clear() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(number(), &count, sizeof(count));
}

}  // namespace lockstep
