#include "page_protection.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

namespace lockstep::cuda_emulation {
namespace {

constexpr std::size_t kRegionBytes = std::size_t{64} << 30;  // of addresses, not of memory
// Grown by huge pages, where the system has them: mprotect changes one entry for each.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

[[noreturn]] void Fail(const char* what) {
  throw std::system_error(errno, std::generic_category(),
                          std::string("cuda emulation: device memory: ") + what);
}

// Whole pages, with the poisoned gap behind an allocation: memcpy would be reported.
__attribute__((no_sanitize("address"))) void CopyWords(const void* from, void* to,
                                                       std::size_t bytes) {
  const auto* source = static_cast<const volatile std::uint64_t*>(from);
  auto* target = static_cast<volatile std::uint64_t*>(to);
  for (std::size_t i = 0; i < bytes / sizeof(std::uint64_t); ++i) target[i] = source[i];
}

}  // namespace

ProtectedRegion& ProtectedRegion::Instance() {
  static auto* region = new ProtectedRegion;
  return *region;
}

ProtectedRegion::ProtectedRegion() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* p = mmap(nullptr, kRegionBytes + kHugePage, PROT_NONE, kFlags, -1, 0);
  if (p == MAP_FAILED) Fail("mmap");
  std::size_t room = kRegionBytes + kHugePage;
  base_ = static_cast<char*>(std::align(kHugePage, kRegionBytes, p, room));
  madvise(base_, kRegionBytes, MADV_HUGEPAGE);  // may be refused: small pages work too
  key_ = pkey_alloc(0, PKEY_DISABLE_ACCESS);
}

void ProtectedRegion::Protect(char* pages, std::size_t bytes) {
  const int rights = PROT_READ | PROT_WRITE;
  if (key_ >= 0) {
    if (pkey_mprotect(pages, bytes, rights, key_) != 0) Fail("pkey_mprotect");
  } else if (mprotect(pages, bytes, depth_ > 0 ? rights : PROT_NONE) != 0) {
    Fail("mprotect");
  }
}

char* ProtectedRegion::Grow(std::size_t bytes) {
  if (bytes <= usable_) return base_;
  const std::size_t target = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  if (target > kRegionBytes) return nullptr;
  Protect(base_ + usable_, target - usable_);
  usable_ = target;
  return base_;
}

void ProtectedRegion::Open() {
  if (depth_++ > 0) return;
  if (key_ >= 0) {
    pkey_set(key_, 0);
  } else if (usable_ > 0 && mprotect(base_, usable_, PROT_READ | PROT_WRITE) != 0) {
    Fail("mprotect");
  }
}

void ProtectedRegion::Close() {
  if (--depth_ > 0) return;
  if (key_ >= 0) {
    pkey_set(key_, PKEY_DISABLE_ACCESS);
  } else if (usable_ > 0 && mprotect(base_, usable_, PROT_NONE) != 0) {
    Fail("mprotect");
  }
}

int ProtectedRegion::MoveIntoFile(char* pages, std::size_t bytes) {
  const int file = memfd_create("lockstep-device-memory", MFD_CLOEXEC);
  if (file < 0) Fail("memfd_create");
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) Fail("ftruncate");
  void* copy = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (copy == MAP_FAILED) Fail("mmap");
  Open();
  CopyWords(pages, copy, bytes);
  Close();
  munmap(copy, bytes);
  MapFile(pages, file, bytes);
  return file;
}

void ProtectedRegion::MapFile(char* pages, int file, std::size_t bytes) {
  Map(pages, file, {0, bytes}, MAP_SHARED);
}

void ProtectedRegion::MapFileWithoutWrites(char* pages, int file, std::size_t bytes) {
  Map(pages, file, {0, bytes}, MAP_PRIVATE);
}

void ProtectedRegion::Detach(char* pages, int file, FilePart part) {
  Map(pages, file, part, MAP_PRIVATE);
  Open();
  CopyWords(pages, pages, part.bytes);  // a page that is written becomes this process's own
  Close();
}

void ProtectedRegion::Forget(char* pages, std::size_t bytes) {
  if (madvise(pages, bytes, MADV_DONTNEED) != 0) Fail("madvise");
}

void ProtectedRegion::Map(char* pages, int file, FilePart part, int sharing) {
  const void* p = mmap(pages, part.bytes, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, file,
                       static_cast<off_t>(part.offset));
  if (p == MAP_FAILED) Fail("mmap");
  Protect(pages, part.bytes);
}

}  // namespace lockstep::cuda_emulation
