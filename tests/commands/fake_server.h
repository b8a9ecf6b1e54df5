#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace lockstep {

// A server that answers every request on its own connection with bytes of a test's choice, and
// closes. At a port of its own, in a thread of this process.
class FakeServer {
 public:
  // answer: gets the request as it came ("POST /v1/completions HTTP/1.1\r\n..."), returns what is
  // sent back. After a reply with the header "Test-Goes-On" nothing is closed: its end never comes,
  // and the next request is answered when this one's client has left.
  explicit FakeServer(std::function<std::string(const std::string&)> answer);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int asked() const { return asked_; }  // requests so far
  int left() const { return left_; }    // clients that have left before the end of their reply

 private:
  void Serve();

  const std::function<std::string(const std::string&)> answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> asked_ = 0;
  std::atomic<int> left_ = 0;
  std::thread thread_;
};

}  // namespace lockstep
