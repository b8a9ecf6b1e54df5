#pragma once

#include <string>

namespace lockstep {

// Where Open MPI puts the memory that ranks of this host share. It removes what a rank has put
// there when that ends by itself, but nothing of one that was killed: so a world has a folder of
// its own, which goes with it.
class SegmentFolder {
 public:
  // Made in memory (/dev/shm); there is none where that cannot be.
  SegmentFolder();
  ~SegmentFolder();
  SegmentFolder(const SegmentFolder&) = delete;
  SegmentFolder& operator=(const SegmentFolder&) = delete;

  // "": there is none.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace lockstep
