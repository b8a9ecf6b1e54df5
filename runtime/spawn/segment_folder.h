#pragma once

#include <string>

namespace lockstep {

// Where Open MPI puts the memory that ranks of this host share. It removes what a rank has put
// there when that ends by itself, but nothing of one that was killed: so a world has a folder of
// its own, which goes with it. Where the process that made it is killed as well, the next world
// removes it.
class SegmentFolder {
 public:
  // Made in memory (/dev/shm); there is none where that cannot be. Removes those of processes that
  // are gone.
  SegmentFolder();
  ~SegmentFolder();
  SegmentFolder(const SegmentFolder&) = delete;
  SegmentFolder& operator=(const SegmentFolder&) = delete;

  // "": there is none.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;  // on the folder, held by this process alone: says that it lives
};

}  // namespace lockstep
