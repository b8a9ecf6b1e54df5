#pragma once

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "comm/mailbox.h"
#include "batch/queue/desk_letters.h"

namespace lockstep {

// Keeps what was sent; what is in `arriving` arrives.
class FakeMailbox : public Mailbox {
 public:
  void Send(int to, Communicator::Bytes text) override { sent[to].push_back(std::move(text)); }
  std::optional<Letter> Receive() override {
    if (arriving.empty()) return std::nullopt;
    Letter letter = std::move(arriving.front());
    arriving.pop_front();
    return letter;
  }
  // The peer takes one letter at each look.
  bool empty() override { return untaken == 0 || --untaken == 0; }

  // The lines that a rank was given since the last time.
  std::vector<WorkLine> Lines(int rank) {
    std::vector<WorkLine> lines;
    for (const auto& text : sent[rank])
      for (WorkLine& line : UnpackHandout(text).lines) lines.push_back(std::move(line));
    sent[rank].clear();
    return lines;
  }

  // What was reported to a rank since the last time.
  std::vector<DeskReport> Reports(int rank) {
    std::vector<DeskReport> reports;
    for (const auto& text : sent[rank]) reports.push_back(UnpackReport(text));
    sent[rank].clear();
    return reports;
  }

  std::map<int, std::vector<Communicator::Bytes>> sent;
  std::deque<Letter> arriving;
  int untaken = 0;
};

}  // namespace lockstep
