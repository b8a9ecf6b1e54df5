#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/http_client.h"

namespace lockstep {

// `lockstep serve` at a port of its own, as long as this lives.
class RunningServer {
 public:
  // Waits until it is ready. Throws std::runtime_error with what it said when it ends before that.
  explicit RunningServer(const std::vector<std::string>& arguments);
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  int port() const { return port_; }
  pid_t process() const { return process_; }

  HttpReply Get(const std::string& path, const std::string& headers = "") const {
    return AskServer(port_, GetText(path, headers));
  }
  HttpReply Post(const std::string& path, const std::string& body,
                 const std::string& headers = "") const {
    return AskServer(port_, PostText(path, body, headers));
  }

  // The value of "lockstep:" and this name, whose only label is that of the model; -1: there is
  // none.
  double Metric(const std::string& name) const;

  void Signal(int signal_number) const;
  // Until it ends: its exit code, 128 + the signal when one ended it.
  int Wait();
  // What it has said so far.
  const std::string& errors() const { return errors_; }

 private:
  bool ReadErrors();

  pid_t process_ = -1;
  int errors_pipe_ = -1;
  int port_ = 0;
  std::string errors_;
};

}  // namespace lockstep
