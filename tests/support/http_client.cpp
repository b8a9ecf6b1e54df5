#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace lockstep {
namespace {

std::string Dechunked(const std::string& body) {
  std::string whole;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find("\r\n", at);
    if (end == std::string::npos) break;
    const std::size_t bytes = std::stoul(body.substr(at, end - at), nullptr, 16);
    if (bytes == 0) break;
    whole += body.substr(end + 2, bytes);
    at = end + 2 + bytes + 2;
  }
  return whole;
}

[[noreturn]] void FailedTo(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// A signal breaks neither of these off: libFuzzer's clock is one, every few seconds.
ssize_t SendSome(int connection, const std::string& bytes, std::size_t from) {
  ssize_t sent = -1;
  do {
    sent = ::send(connection, bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

void Connect(int connection, const sockaddr_in& place) {
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0) return;
  if (errno != EINTR) FailedTo("connect");
  // It goes on in the background.
  pollfd wanted{.fd = connection, .events = POLLOUT, .revents = 0};
  while (::poll(&wanted, 1, -1) < 0)
    if (errno != EINTR) FailedTo("poll");
  int outcome = 0;
  socklen_t size = sizeof(outcome);
  ::getsockopt(connection, SOL_SOCKET, SO_ERROR, &outcome, &size);
  errno = outcome;
  if (outcome != 0) FailedTo("connect");
}

}  // namespace

std::string GetText(const std::string& path, const std::string& headers) {
  return "GET " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n" + headers + "\r\n";
}

std::string PostText(const std::string& path, const std::string& body, const std::string& headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

int BeginRequest(int port, const std::string& bytes, const std::string& from) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  if (connection < 0) FailedTo("socket");
  const timeval patience{.tv_sec = 60, .tv_usec = 0};  // a test that hangs says nothing
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  if (!from.empty()) {
    place.sin_addr.s_addr = ::inet_addr(from.c_str());
    if (::bind(connection, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0)
      FailedTo("bind to " + from);
  }
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Connect(connection, place);
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t now = SendSome(connection, bytes, sent);
    if (now <= 0) break;
    sent += static_cast<std::size_t>(now);
  }
  return connection;
}

std::string ReadAll(int connection) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t bytes = ::recv(connection, buffer, sizeof(buffer), 0);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(bytes));
  }
}

HttpReply ReadReply(int connection) {
  const std::string text = ReadAll(connection);
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return {};
  HttpReply reply{.status = std::stoi(text.substr(9, 3)),
                  .header = text.substr(0, end + 2),
                  .body = text.substr(end + 4)};
  if (reply.header.find("chunked") != std::string::npos) reply.body = Dechunked(reply.body);
  return reply;
}

HttpReply AskServer(int port, const std::string& bytes) {
  const int connection = BeginRequest(port, bytes);
  const HttpReply reply = ReadReply(connection);
  ::close(connection);
  return reply;
}

}  // namespace lockstep
