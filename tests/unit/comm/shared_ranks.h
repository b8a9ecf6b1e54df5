#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "comm/shared/shared_communicator.h"
#include "comm/shared/shared_segment.h"

namespace lockstep::testing {

// Where ranks that are threads leave words for each other.
struct ThreadMail {
  explicit ThreadMail(int ranks) : words(static_cast<std::size_t>(ranks)) {}

  std::mutex mutex;
  std::vector<std::deque<ProbeLink::Word>> words;  // for each rank
};

class ThreadLink final : public ProbeLink {
 public:
  ThreadLink(std::shared_ptr<ThreadMail> mail, int self) : mail_(std::move(mail)), self_(self) {}

  void Send(int to, std::span<const std::byte> word) override {
    const std::lock_guard lock(mail_->mutex);
    mail_->words[static_cast<std::size_t>(to)].push_back({self_, {word.begin(), word.end()}});
  }

  std::optional<Word> Receive() override {
    const std::lock_guard lock(mail_->mutex);
    auto& mine = mail_->words[static_cast<std::size_t>(self_)];
    if (mine.empty()) return std::nullopt;
    Word word = std::move(mine.front());
    mine.pop_front();
    return word;
  }

 private:
  std::shared_ptr<ThreadMail> mail_;
  int self_;
};

// Threads as the ranks of a host, over one mapping of one segment, so that a thread sanitizer
// sees all they do to each other. They pass for ranks on the hosts of these names, of one host
// where none is given. The body's exceptions are returned, one text for each rank.
inline std::vector<std::string> RunSharedRanks(int ranks,
                                               const std::function<void(SharedCommunicator&)>& body,
                                               const std::vector<std::string>& host_names = {}) {
  const auto segment = SharedSegment::Create(ranks);
  const auto mail = std::make_shared<ThreadMail>(ranks);
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  std::vector<std::unique_ptr<SharedCommunicator>> comms;
  // All join before the first begins, as in a world of processes.
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<int> numbers(static_cast<std::size_t>(ranks));
    std::iota(numbers.begin(), numbers.end(), 0);
    std::vector<RankHost> places(numbers.size(), RankHost{.name = "here"});
    for (std::size_t i = 0; i < host_names.size(); ++i) places[i].name = host_names[i];
    HostMap hosts(std::move(places));
    auto probe = std::make_shared<PeerProbe>(rank, std::make_unique<ThreadLink>(mail, rank));
    probe->set_hosts(hosts);
    comms.push_back(std::make_unique<SharedCommunicator>(SharedCommunicator::Parts{
        .segment = segment,
        .ranks = {.rank = rank, .numbers = std::move(numbers), .hosts = std::move(hosts)},
        .probe = std::move(probe)}));
    comms.back()->set_deadline_seconds(30);
  }
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < comms.size(); ++rank) {
    threads.emplace_back([&body, &error = errors[rank], comm = std::move(comms[rank])]() mutable {
      try {
        body(*comm);
      } catch (const std::exception& caught) {
        error = caught.what();
      }
      comm.reset();  // this rank is gone
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace lockstep::testing
