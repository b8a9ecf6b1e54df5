#pragma once
// What a test may ask of the emulation and learn from it. Product code never includes this.

#include <cstdint>
#include <string>

namespace lockstep::cuda_emulation {

// The order in which the threads of a block, and the blocks of a grid, run where nothing orders
// them.
enum class ThreadOrder { kForward, kReverse, kShuffled };

// When work queued on a stream runs: at once, as late as a wait allows, or at random moments.
enum class StreamPolicy { kEager, kLazy, kRandom };

// What becomes of accesses to memory of another process that was opened (cudaIpcOpenMemHandle).
//   kWhole  they do what they say
//   kLost   what is written there does not arrive
//   kStale  behind the first 8 KiB is read what was there when it was opened
enum class PeerMemoryKind { kWhole, kLost, kStale };

struct Settings {
  ThreadOrder thread_order = ThreadOrder::kForward;   // LOCKSTEP_CUDA_THREADS
  StreamPolicy stream_policy = StreamPolicy::kEager;  // LOCKSTEP_CUDA_STREAMS
  int device_count = 1;                               // LOCKSTEP_CUDA_DEVICES
  int compute_capability = 90;  // LOCKSTEP_CUDA_CAPABILITY: 86 is 8.6; kernels are compiled for it
  std::uint64_t memory_bytes = std::uint64_t{4} << 30;  // LOCKSTEP_CUDA_MEMORY_MB, of each device
  // LOCKSTEP_CUDA_SLOTS: blocks that a device runs at a time, of all processes with the same parent
  // (0: any number).
  std::uint64_t slots = 0;
  double spin_seconds = 60;     // LOCKSTEP_CUDA_SPIN_SECONDS: a longer spin is a fault
  int idle_ms = 20;             // LOCKSTEP_CUDA_IDLE_MS: streams move by themselves after it
  bool abort_at_fault = false;  // LOCKSTEP_CUDA_ABORT=1: a core file at the first fault
  bool nvlink = true;           // LOCKSTEP_CUDA_LINKS=nvlink or pcie: between devices
  PeerMemoryKind peer_memory = PeerMemoryKind::kWhole;  // LOCKSTEP_CUDA_PEER_MEMORY
  std::uint64_t nccl_hang = 0;  // LOCKSTEP_NCCL_HANG=n: the n-th collective never completes
  // LOCKSTEP_NCCL_BLOCK=n: the n-th call of one does not return, until it is aborted.
  std::uint64_t nccl_block = 0;
};

// The settings of this process, read once from the environment; tests may change them.
// Throws std::runtime_error, naming the variable, for a value that means nothing.
Settings& settings();

// Starts the sequence of random choices again (LOCKSTEP_CUDA_SEED is the first seed).
void Reseed(std::uint64_t seed);

// The text of the first fault since the start or the last ResetFaults; empty without one.
const std::string& FaultReport();

// Forgets faults, as no real device does without a new process. Queued work is thrown away.
void ResetFaults();

struct Statistics {
  std::uint64_t launches = 0, blocks = 0, threads = 0, switches = 0;
  std::uint64_t barriers = 0, warp_operations = 0;
  std::uint64_t copies = 0, gemms = 0, graph_launches = 0;
  std::uint64_t collectives = 0, all_reduces = 0;  // completed; the first counts every kind
  // Operations that the host has put on streams, a graph being one; and how often it has been told
  // that a stream, an event or a device is done.
  std::uint64_t enqueued = 0, waits = 0;
  // Of memory of the device and of pinned memory.
  std::uint64_t allocations = 0, frees = 0;
};
// Counts since the start; a test may set them to {}.
Statistics& statistics();

}  // namespace lockstep::cuda_emulation
