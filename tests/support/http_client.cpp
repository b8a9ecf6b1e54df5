#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>

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
  const timeval patience{.tv_sec = 60, .tv_usec = 0};  // a test that hangs says nothing
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  if (!from.empty()) {
    place.sin_addr.s_addr = ::inet_addr(from.c_str());
    if (::bind(connection, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0)
      throw std::runtime_error("bind to " + from);
  }
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0)
    throw std::runtime_error("connect");
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t now = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) break;
    sent += static_cast<std::size_t>(now);
  }
  return connection;
}

HttpReply ReadReply(int connection) {
  std::string text;
  char buffer[4096];
  for (ssize_t bytes = 1; bytes > 0;) {
    bytes = ::recv(connection, buffer, sizeof(buffer), 0);
    if (bytes > 0) text.append(buffer, static_cast<std::size_t>(bytes));
  }
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
