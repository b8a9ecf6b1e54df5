#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/thread_pool.h"
#include "layers/kernels/peaks.h"

namespace lockstep {

// Something that bounds the speed of all ranks together.
struct CeilingName {
  std::string name;
  std::string unit;     // "GB/s", "Gop/s": 10^9; an operation is a multiplication or an addition
  bool memory = false;  // reading it; else arithmetic of `kind`
  PeakKind kind = PeakKind::kFp32;
};

// Measures what the machine can do with the threads the model runs on: all threads of all ranks
// at the same time.
class CeilingMeter {
 public:
  struct Setup {
    int threads = 1;               // of this rank
    std::size_t memory_bytes = 0;  // that this rank reads; more than its caches hold
  };

  // Collective. Takes the memory, in huge pages where there are any, each thread its own part.
  CeilingMeter(Communicator& comm, const Setup& setup);
  ~CeilingMeter();
  CeilingMeter(const CeilingMeter&) = delete;
  CeilingMeter& operator=(const CeilingMeter&) = delete;

  // The same on every rank: of arithmetic, what all of them have.
  const std::vector<CeilingName>& names() const { return names_; }

  // Takes about a tenth of a second. Collective; rank 0 gets a value for each name, the others
  // nothing.
  std::vector<double> Measure();

 private:
  void RunPeak(const Peak& peak, std::int64_t iterations);
  void RunRead(ReadLoop loop);
  double Rate(double amount, double seconds);

  Communicator& comm_;
  ThreadPool threads_;
  std::vector<CeilingName> names_;
  std::vector<Peak> peaks_;
  std::vector<std::int64_t> iterations_;  // of each peak: some milliseconds
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::byte* memory_ = nullptr;
  std::size_t thread_bytes_ = 0;
};

}  // namespace lockstep
