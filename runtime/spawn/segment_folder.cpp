#include "runtime/spawn/segment_folder.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace lockstep {

SegmentFolder::SegmentFolder() : path_("/dev/shm/mpi-segments.XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) path_.clear();
}

SegmentFolder::~SegmentFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace lockstep
