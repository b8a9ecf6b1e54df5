#pragma once

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "batch/queue/batch_messages.h"
#include "comm/messenger.h"

namespace lockstep {

// Keeps what was sent; what is in `arriving` arrives.
class FakeMessenger : public Messenger {
 public:
  void Send(int to, ControlPlane::Bytes text) override { sent[to].push_back(std::move(text)); }
  std::optional<Message> Receive() override {
    if (arriving.empty()) return std::nullopt;
    Message message = std::move(arriving.front());
    arriving.pop_front();
    return message;
  }
  // The peer takes one message at each look.
  bool empty() override { return untaken == 0 || --untaken == 0; }
  std::vector<int> WhoHoldsUp(int rank) override {
    return held_up_by.empty() ? std::vector{rank} : held_up_by;
  }

  // The lines that a rank was given since the last time.
  std::vector<WorkLine> Lines(int rank) {
    std::vector<WorkLine> lines;
    for (const auto& text : sent[rank])
      for (WorkLine& line : UnpackAssignment(text).lines) lines.push_back(std::move(line));
    sent[rank].clear();
    return lines;
  }

  // What was reported to a rank since the last time.
  std::vector<WorkerReport> Reports(int rank) {
    std::vector<WorkerReport> reports;
    for (const auto& text : sent[rank]) reports.push_back(UnpackReport(text));
    sent[rank].clear();
    return reports;
  }

  std::map<int, std::vector<ControlPlane::Bytes>> sent;
  std::deque<Message> arriving;
  int untaken = 0;
  std::vector<int> held_up_by;  // whoever is asked about; by itself where there is none
};

}  // namespace lockstep
