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
#include "serving/weight_exchange.h"

namespace lockstep {

// Rank 0's end of the socket to the server: hands the server's requests to the engine's loop, and
// brings back what becomes of them. It has a thread for the socket, so that the engine waits for
// nobody. Where the server is gone the loop is aborted.
//
// Thread safety: all methods are for the loop's thread.
class ServerLink {
 public:
  // Tells the server that this rank is ready. The loop and the weights stay the caller's and
  // outlive it. Throws EnvironmentError where there is no such server.
  ServerLink(const std::string& socket, EngineLoop& loop, WeightExchange& weights);
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
  bool MoveMessages();
  void Take(const SubmitMessage& message);
  void Take(const CancelMessage& message);
  void Take(const LeaveMessage& message);
  void Take(const WeightsMessage& message);
  void Exchange(const WeightsMessage& message);
  void Forget(Ticket ticket);

  EngineLoop& loop_;
  WeightExchange& weights_;
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
