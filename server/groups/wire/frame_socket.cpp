#include "server/groups/wire/frame_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

using Length = std::uint64_t;

constexpr Length kMostBytes = Length{1} << 32;
constexpr std::size_t kPieceBytes = 256 << 10;
constexpr int kMostPieces = 16;  // in one Read(): others wait, too

// Drops the beginning that is done with, now and then.
void Shorten(std::vector<std::byte>& bytes, std::size_t& done) {
  if (done < bytes.size() && done < kPieceBytes) return;
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
  done = 0;
}

}  // namespace

FrameSocket::FrameSocket(Descriptor socket) : socket_(std::move(socket)) {
  ::fcntl(number(), F_SETFL, O_NONBLOCK);
}

void FrameSocket::Put(std::span<const std::byte> message) {
  const Length length = message.size();
  const auto* first = reinterpret_cast<const std::byte*>(&length);
  unwritten_.insert(unwritten_.end(), first, first + sizeof(length));
  unwritten_.insert(unwritten_.end(), message.begin(), message.end());
}

bool FrameSocket::Write() {
  while (has_unwritten()) {
    const ssize_t sent =
        ::send(number(), unwritten_.data() + written_, unwritten_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      const bool later = errno == EAGAIN;
      Shorten(unwritten_, written_);
      return later;
    }
    written_ += static_cast<std::size_t>(sent);
  }
  Shorten(unwritten_, written_);
  return true;
}

bool FrameSocket::Read() {
  Shorten(unread_, read_);
  for (int piece = 0; piece < kMostPieces; ++piece) {
    const std::size_t size = unread_.size();
    unread_.resize(size + kPieceBytes);
    ssize_t bytes = 0;
    do bytes = ::recv(number(), unread_.data() + size, kPieceBytes, 0);
    while (bytes < 0 && errno == EINTR);
    const bool later = bytes < 0 && errno == EAGAIN;
    unread_.resize(size + static_cast<std::size_t>(bytes > 0 ? bytes : 0));
    if (bytes <= 0) return later;
    if (static_cast<std::size_t>(bytes) < kPieceBytes) return true;
  }
  return true;
}

std::optional<std::vector<std::byte>> FrameSocket::Next() {
  const std::size_t rest = unread_.size() - read_;
  if (rest < sizeof(Length)) return std::nullopt;
  Length length = 0;
  std::memcpy(&length, unread_.data() + read_, sizeof(length));
  LOCKSTEP_CHECK(length <= kMostBytes, "a message of {} bytes", length);
  if (rest - sizeof(length) < length) return std::nullopt;
  const auto first = unread_.begin() + static_cast<std::ptrdiff_t>(read_ + sizeof(length));
  std::vector<std::byte> message(first, first + static_cast<std::ptrdiff_t>(length));
  read_ += sizeof(length) + static_cast<std::size_t>(length);
  return message;
}

}  // namespace lockstep
