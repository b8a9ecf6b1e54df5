#include "device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <system_error>
#include <vector>

#include "page_protection.h"
#include "runtime_state.h"

namespace lockstep::cuda_emulation {
namespace {

constexpr std::size_t kPage = 4096;     // an allocation owns its pages: it may be shared
constexpr std::size_t kGapBytes = 256;  // behind an allocation, so that an overrun meets no data

std::size_t RoundUp(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// Allocations are carved off the arena's end; freed blocks are used again for the same size only,
// which is what programs ask for, and keeps a stale pointer's neighbours recognisable.
struct Arena {
  std::map<char*, Allocation> live;               // by base
  std::multimap<std::size_t, char*> free_blocks;  // by size with the gap
  std::map<char*, int> shared_files;              // by base
  std::vector<std::size_t> bytes_in_use;          // by device
  std::size_t used = 0;                           // of the protected region
  char reuse_key = 0;                             // frees come before allocations
};

Arena& TheArena() {
  static auto* arena = new Arena;
  return *arena;
}

std::size_t BlockBytes(std::size_t bytes) { return RoundUp(bytes + kGapBytes, kPage); }

std::size_t& InUse(int device) {
  auto& table = TheArena().bytes_in_use;
  const auto index = static_cast<std::size_t>(device);
  if (table.size() <= index) table.resize(index + 1);
  return table[index];
}

// size bytes at the arena's end.
char* Extend(std::size_t size) {
  Arena& arena = TheArena();
  char* p = ProtectedRegion::Instance().Grow(arena.used + size);
  if (p == nullptr) return nullptr;
  p += arena.used;
  arena.used += size;
  return p;
}

char* TakeBlock(std::size_t size) {
  Arena& arena = TheArena();
  const auto free_block = arena.free_blocks.find(size);
  if (free_block == arena.free_blocks.end()) return Extend(size);
  char* p = free_block->second;
  arena.free_blocks.erase(free_block);
  return p;
}

// As settings().peer_memory says.
void MapAsThePeersMemoryIs(char* pages, int file, std::size_t block) {
  constexpr std::size_t kCurrent = 2 * kPage;
  ProtectedRegion& region = ProtectedRegion::Instance();
  switch (settings().peer_memory) {
    case PeerMemoryKind::kLost: return region.MapFileWithoutWrites(pages, file, block);
    case PeerMemoryKind::kStale:
      region.MapFile(pages, file, std::min(block, kCurrent));
      if (block > kCurrent) region.Detach(pages + kCurrent, file, {kCurrent, block - kCurrent});
      return;
    case PeerMemoryKind::kWhole: return region.MapFile(pages, file, block);
  }
}

}  // namespace

DeviceAccess::DeviceAccess() { ProtectedRegion::Instance().Open(); }
DeviceAccess::~DeviceAccess() { ProtectedRegion::Instance().Close(); }

void* AllocateDevice(std::size_t bytes, int device) {
  Arena& arena = TheArena();
  const std::size_t size = BlockBytes(bytes);
  if (InUse(device) + size > settings().memory_bytes) return nullptr;
  char* p = TakeBlock(size);
  if (p == nullptr) return nullptr;
  tsan::Acquire(&arena.reuse_key);
  asan::Unpoison(p, size);
  {
    const DeviceAccess access;
    std::memset(p, 0xff, bytes);
  }
  asan::Poison(p + bytes, size - bytes);
  InUse(device) += size;
  arena.live[p] = {p, bytes, MemoryKind::kDevice, device};
  return p;
}

bool FreeDevice(void* p) {
  Arena& arena = TheArena();
  const auto found = arena.live.find(static_cast<char*>(p));
  if (found == arena.live.end() || found->second.kind != MemoryKind::kDevice) return false;
  const Allocation allocation = found->second;
  const std::size_t size = BlockBytes(allocation.bytes);
  {
    const DeviceAccess access;
    std::memset(p, 0xff, allocation.bytes);  // a late reader finds NaN
  }
  asan::Poison(p, size);
  tsan::Release(&arena.reuse_key);
  InUse(allocation.device) -= size;
  const auto file = arena.shared_files.find(allocation.base);
  if (file == arena.shared_files.end()) {
    arena.free_blocks.emplace(size, allocation.base);
  } else {
    close(file->second);  // peers may still hold its pages: the block is not used again
    ProtectedRegion::Instance().Forget(allocation.base, size);
    arena.shared_files.erase(file);
  }
  arena.live.erase(found);
  return true;
}

std::size_t DeviceBytesInUse(int device) { return InUse(device); }

void RegisterPinned(void* p, std::size_t bytes) {
  auto* base = static_cast<char*>(p);
  TheArena().live[base] = {base, bytes, MemoryKind::kPinned, CurrentDevice()};
}

bool UnregisterPinned(void* p) {
  auto& live = TheArena().live;
  const auto found = live.find(static_cast<char*>(p));
  if (found == live.end() || found->second.kind != MemoryKind::kPinned) return false;
  live.erase(found);
  return true;
}

const Allocation* FindAllocation(const void* p) {
  const auto* address = static_cast<const char*>(p);
  auto& live = TheArena().live;
  auto next = live.upper_bound(const_cast<char*>(address));
  if (next == live.begin()) return nullptr;
  const Allocation& candidate = std::prev(next)->second;
  return address <= candidate.base + candidate.bytes ? &candidate : nullptr;
}

bool WithinAllocation(const void* p, std::size_t bytes) {
  const Allocation* allocation = FindAllocation(p);
  if (allocation == nullptr) return false;
  const auto before = static_cast<std::size_t>(static_cast<const char*>(p) - allocation->base);
  return bytes <= allocation->bytes - before;
}

bool OnDevice(const void* p) {
  const Allocation* allocation = FindAllocation(p);
  return allocation != nullptr && allocation->kind != MemoryKind::kPinned;
}

int ShareAllocation(const Allocation& allocation) {
  auto& files = TheArena().shared_files;
  const auto known = files.find(allocation.base);
  if (known != files.end()) return known->second;
  const int file =
      ProtectedRegion::Instance().MoveIntoFile(allocation.base, BlockBytes(allocation.bytes));
  files[allocation.base] = file;
  return file;
}

void* MapShared(int file, std::size_t bytes) {
  const std::size_t block = BlockBytes(bytes);
  char* pages = Extend(block);
  if (pages == nullptr) throw std::system_error(ENOMEM, std::generic_category(), "device memory");
  MapAsThePeersMemoryIs(pages, file, block);
  asan::Unpoison(pages, bytes);
  asan::Poison(pages + bytes, block - bytes);
  TheArena().live[pages] = {pages, bytes, MemoryKind::kPeer, CurrentDevice()};
  return pages;
}

bool UnmapShared(void* p) {
  auto& live = TheArena().live;
  const auto found = live.find(static_cast<char*>(p));
  if (found == live.end() || found->second.kind != MemoryKind::kPeer) return false;
  // Its pages stay mapped: nothing else comes to this address.
  ProtectedRegion::Instance().Forget(found->second.base, BlockBytes(found->second.bytes));
  asan::Poison(p, found->second.bytes);
  live.erase(found);
  return true;
}

}  // namespace lockstep::cuda_emulation
