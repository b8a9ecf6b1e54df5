#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/groups/wire/frame_socket.h"
#include "server/groups/wire/local_socket.h"
#include "server/groups/wire/messages.h"
#include "serving/engine_loop.h"

namespace lockstep {

// Rank 0's end of the socket to the server: hands the server's requests to the engine's loop, and
// brings back what becomes of them. It has a thread for the socket, so that the engine waits for
// nobody. Where the server is gone the loop is aborted.
//
// Thread safety: all methods are for the loop's thread.
class ServerLink {
 public:
  // Tells the server that this rank is ready. The loop stays the caller's and outlives it. Throws
  // EnvironmentError where there is no such server.
  ServerLink(const std::string& socket, EngineLoop& loop);
  // Returns when all has been sent, or the server is gone.
  ~ServerLink();
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  // To be called often: says now and then that this thread lives.
  void Beat();

 private:
  using Clock = std::chrono::steady_clock;
  class Sink;

  void Put(const FromGroup& message);
  void Run();
  bool Exchange();
  void Take(const SubmitMessage& message);
  void Take(const CancelMessage& message);
  void Take(const LeaveMessage& message);
  void Forget(Ticket ticket);

  EngineLoop& loop_;
  FrameSocket socket_;
  WakeUp wake_;
  Clock::time_point next_beat_{};

  std::mutex mutex_;                              // of both that follow
  std::vector<std::vector<std::byte>> outgoing_;  // encoded
  std::map<Ticket, Ticket> tickets_;              // the server's, to the loop's
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace lockstep
