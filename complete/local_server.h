#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "complete/server_client.h"
#include "core/error.h"

namespace lockstep {

// `lockstep serve` as a child of this process, at a port that nobody else knows, as long as this
// lives. Its warnings and errors are passed on, what else it says is not.
class LocalServer {
 public:
  // words: what follows on `lockstep serve`. Throws Error with its exit code when it ends before it
  // is ready (it has said why); stop(), asked every tenth of a second, breaks the start off with
  // kInterrupted.
  LocalServer(std::span<const std::string> words, const ServerClient::Stop& stop);
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  const ServerAddress& address() const { return address_; }

  // Passes on what it has said meanwhile.
  void Relay();

 private:
  void AwaitReady(const ServerClient::Stop& stop);
  void End();
  bool ReadMore(int timeout_ms);
  void TakeLine(const std::string& line);
  ExitCode Wait();

  pid_t process_ = -1;
  int errors_ = -1;  // the read end of its standard error
  std::string line_;
  ServerAddress address_;
};

// The command line of the server that `lockstep complete …` wants: the words behind the program.
std::vector<std::string> ServeWords(std::span<const std::string> complete_arguments);

}  // namespace lockstep
