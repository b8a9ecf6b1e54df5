#include "fake_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace lockstep {
namespace {

// A request's head and, where it names its length, its body.
std::string ReadRequest(int connection) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const auto head = text.find("\r\n\r\n");
    if (head != std::string::npos) {
      const auto length = text.find("Content-Length: ");
      const std::size_t body = length < head ? std::stoul(text.substr(length + 16)) : 0;
      if (text.size() >= head + 4 + body) return text;
    }
    const ssize_t bytes = ::recv(connection, buffer, sizeof(buffer), 0);
    if (bytes <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(bytes));
  }
}

}  // namespace

FakeServer::FakeServer(std::function<std::string(const std::string&)> answer)
    : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(place);
  auto* const address = reinterpret_cast<sockaddr*>(&place);
  if (::bind(listener_, address, bytes) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, address, &bytes) != 0)
    throw std::runtime_error("no port");
  port_ = ntohs(place.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

FakeServer::~FakeServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void FakeServer::Serve() {
  for (;;) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    const std::string request = ReadRequest(connection);
    const std::string reply = request.empty() ? "" : answer_(request);
    if (!request.empty()) ++asked_;
    for (std::size_t sent = 0; sent < reply.size();) {
      const ssize_t now =
          ::send(connection, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) break;
      sent += static_cast<std::size_t>(now);
    }
    if (reply.find("\r\nTest-Goes-On:") != std::string::npos) {
      char byte = 0;
      while (::recv(connection, &byte, 1, 0) > 0) {
      }
      ++left_;
    }
    ::close(connection);
  }
}

}  // namespace lockstep
