#pragma once
// The address range of device memory, which the processor refuses to code that has not opened it.

#include <cstddef>

namespace lockstep::cuda_emulation {

// With memory protection keys, opening costs two instructions and holds for this thread alone;
// without them mprotect changes every page that is in use, for all threads.
class ProtectedRegion {
 public:
  static ProtectedRegion& Instance();

  // Makes the first bytes of the region usable; returns its start, or null when it is too small.
  char* Grow(std::size_t bytes);
  // Nest: the outermost Close shuts the region.
  void Open();
  void Close();

  // Replaces pages by those of a new memory file with the same content; returns its descriptor.
  int MoveIntoFile(char* pages, std::size_t bytes);
  void MapFile(char* pages, int file, std::size_t bytes);
  // The same, but what is written here goes nowhere.
  void MapFileWithoutWrites(char* pages, int file, std::size_t bytes);
  // The same of a part of the file as it is now: nor do others' writes come here.
  struct FilePart {
    std::size_t offset = 0, bytes = 0;
  };
  void Detach(char* pages, int file, FilePart part);
  // Of a file's pages that are not in use any more: mprotect has nothing to change there. They come
  // back with what the file holds for whoever reads them all the same.
  void Forget(char* pages, std::size_t bytes);

 private:
  ProtectedRegion();
  void Protect(char* pages, std::size_t bytes);
  void Map(char* pages, int file, FilePart part, int sharing);

  char* base_ = nullptr;
  std::size_t usable_ = 0;
  int key_ = -1;
  int depth_ = 0;
};

}  // namespace lockstep::cuda_emulation
