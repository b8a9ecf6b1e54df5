#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lockstep {

// The connections of LifeLines: TCP over IPv4, on whichever of rank 0's interfaces is reached. Who
// connects shows a secret that came through MPI. Nothing here waits for longer than some seconds;
// what does not come about is left out.

// Rank 0's end. Not thread-safe.
class LineListener {
 public:
  LineListener() = default;
  ~LineListener();
  LineListener(const LineListener&) = delete;
  LineListener& operator=(const LineListener&) = delete;

  // What the others need to find it; says that there is none where the port cannot be had.
  std::vector<std::byte> Open();
  // Pairs of a rank and its connection, as they come, for two seconds at most; the caller closes
  // them.
  std::vector<std::pair<int, int>> Accept(const std::vector<int>& ranks);

 private:
  int listener_ = -1;
  std::uint64_t secret_[2] = {};
};

// Another rank's end: its connection, which the caller closes; -1 when rank 0 is not reached.
int ConnectLine(const std::vector<std::byte>& contact, int rank);

// This host's addresses, as the network has them, that others may reach it by; a few at most.
std::vector<std::uint32_t> OwnAddresses();

// Whether the other process has closed it, or the kernel has for it. Reads a byte, so it is for
// lines over which nothing is said.
bool IsClosed(int connection);

}  // namespace lockstep
