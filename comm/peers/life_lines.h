#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "comm/control_plane.h"

namespace lockstep {

// How ranks notice that one has ended, killed for example, where nobody tells them: mpirun does,
// srun does not. A rank watches the processes of its own host; the lowest rank of each other host
// and rank 0 hold a connection over which nothing is said. The kernel closes it when either
// process ends. A host that vanishes closes nothing: that is what deadlines are for.
// Not thread-safe: the thread that makes the collective calls.
class LifeLines {
 public:
  // Collective over the world, whose hosts are known. What cannot be watched here is not.
  static std::unique_ptr<LifeLines> Open(ControlPlane& world);
  ~LifeLines();
  LifeLines(const LifeLines&) = delete;
  LifeLines& operator=(const LifeLines&) = delete;

  // A rank that has ended, if this one holds a line to it. Waits for nothing.
  std::optional<int> Gone();
  // Of how many ranks this one would hear.
  std::size_t size() const { return lines_.size(); }

 private:
  struct Line {
    int rank;
    int descriptor;  // of a process, or of a connection
    bool is_process;
  };
  LifeLines() = default;
  void WatchNeighbours(const ControlPlane& world, const std::vector<int>& processes);
  void ConnectHosts(ControlPlane& world);

  std::vector<Line> lines_;
};

}  // namespace lockstep
