#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "comm/shared/shared_communicator.h"
#include "comm/shared/shared_segment.h"

namespace lockstep::testing {

// Threads as the ranks of a host, over one mapping of one segment, so that a thread sanitizer
// sees all they do to each other. They pass for ranks on the hosts of these names, of one host
// where none is given. The body's exceptions are returned, one text for each rank.
inline std::vector<std::string> RunSharedRanks(int ranks,
                                               const std::function<void(SharedCommunicator&)>& body,
                                               const std::vector<std::string>& host_names = {}) {
  const auto segment = SharedSegment::Create(ranks);
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  std::vector<std::unique_ptr<SharedCommunicator>> comms;
  // All join before the first begins, as in a world of processes.
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<int> numbers(static_cast<std::size_t>(ranks));
    std::iota(numbers.begin(), numbers.end(), 0);
    std::vector<RankHost> places(numbers.size(), RankHost{.name = "here"});
    for (std::size_t i = 0; i < host_names.size(); ++i) places[i].name = host_names[i];
    HostMap hosts(std::move(places));
    comms.push_back(std::make_unique<SharedCommunicator>(SharedCommunicator::Parts{
        .segment = segment, .ranks = {rank, std::move(numbers), std::move(hosts)}}));
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
