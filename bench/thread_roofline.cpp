#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "bench/roofline.h"
#include "core/error.h"
#include "core/threads/thread_pool.h"

namespace lockstep {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kReadTurns = 4;
constexpr double kPeakSeconds = 0.01;

template <typename Work>
double SecondsOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// So many that one thread needs about kPeakSeconds.
std::int64_t IterationsOf(const Peak& peak) {
  std::int64_t iterations = 1000;
  for (;;) {
    const double seconds = SecondsOf([&] { peak.run(iterations); });
    if (seconds >= 0.1 * kPeakSeconds)
      return static_cast<std::int64_t>(static_cast<double>(iterations) * kPeakSeconds / seconds) +
             1;
    iterations *= 4;
  }
}

// Those that every rank has: hosts may differ.
std::vector<Peak> CommonPeaks(ControlPlane& comm) {
  std::vector<Peak> peaks = Peaks();
  std::string names;
  for (const Peak& peak : peaks) names += fmt::format("{}\n", peak.name);
  const auto all = comm.AllGather(std::as_bytes(std::span(names)));
  std::erase_if(peaks, [&](const Peak& peak) {
    const std::string line = fmt::format("{}\n", peak.name);
    return std::ranges::any_of(all, [&](const ControlPlane::Bytes& bytes) {
      const std::string_view theirs(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return theirs.find(line) == theirs.npos;
    });
  });
  return peaks;
}

struct Share {
  double amount;
  double seconds;
};

class ThreadMeter final : public CeilingMeter {
 public:
  ThreadMeter(ControlPlane& comm, const ThreadsToMeter& setup);
  ~ThreadMeter() override;
  ThreadMeter(const ThreadMeter&) = delete;
  ThreadMeter& operator=(const ThreadMeter&) = delete;

  const std::vector<CeilingName>& names() const override { return names_; }
  std::vector<double> Measure() override;

 private:
  void RunPeak(const Peak& peak, std::int64_t iterations);
  void RunRead(ReadLoop loop);
  double Rate(double amount, double seconds);

  ControlPlane& comm_;
  ThreadPool threads_;
  std::vector<CeilingName> names_;
  std::vector<Peak> peaks_;
  std::vector<std::int64_t> iterations_;  // of each peak: some milliseconds
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::byte* memory_ = nullptr;
  std::size_t thread_bytes_ = 0;
};

ThreadMeter::ThreadMeter(ControlPlane& comm, const ThreadsToMeter& setup)
    : comm_(comm), threads_(setup.threads), peaks_(CommonPeaks(comm)) {
  names_.push_back({.name = "read bandwidth", .unit = "GB/s", .memory = true});
  for (const Peak& peak : peaks_) {
    names_.push_back({.name = std::string(peak.name), .unit = "Gop/s", .kind = peak.kind});
    iterations_.push_back(IterationsOf(peak));
  }
  const auto count = static_cast<std::size_t>(setup.threads);
  thread_bytes_ = std::max(kHugePage, setup.memory_bytes / count / kHugePage * kHugePage);
  mapping_bytes_ = thread_bytes_ * count + 2 * kHugePage;  // to align, and for prefetches
  mapping_ =
      ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED)
    throw EnvironmentError("out of memory: measuring the read bandwidth needs {} bytes",
                           mapping_bytes_);
  const std::size_t misplaced = reinterpret_cast<std::uintptr_t>(mapping_) % kHugePage;
  memory_ = static_cast<std::byte*>(mapping_) + (kHugePage - misplaced) % kHugePage;
  ::madvise(memory_, thread_bytes_ * count, MADV_HUGEPAGE);  // a wish; small pages do as well
  threads_.ParallelFor(setup.threads, [&](std::int64_t begin, std::int64_t end) {
    for (auto thread = static_cast<std::size_t>(begin); thread < static_cast<std::size_t>(end);
         ++thread)
      std::memset(memory_ + thread * thread_bytes_, 1, thread_bytes_);
  });
}

ThreadMeter::~ThreadMeter() { ::munmap(mapping_, mapping_bytes_); }

std::vector<double> ThreadMeter::Measure() {
  const double thread_count = threads_.size();
  double bandwidth = 0.0;
  // Hosts may know different ways of reading: as many turns as the fixed number here.
  const std::vector<ReadLoop> loops = ReadLoops();
  for (std::size_t turn = 0; turn < kReadTurns; ++turn) {
    comm_.Barrier();
    const double seconds = SecondsOf([&] { RunRead(loops[turn % loops.size()]); });
    const double bytes = thread_count * static_cast<double>(thread_bytes_);
    bandwidth = std::max(bandwidth, Rate(bytes, seconds));
  }
  std::vector<double> rates{1e-9 * bandwidth};
  for (std::size_t index = 0; index < peaks_.size(); ++index) {
    const std::int64_t iterations = iterations_[index];
    comm_.Barrier();
    const double seconds = SecondsOf([&] { RunPeak(peaks_[index], iterations); });
    const double operations =
        thread_count * peaks_[index].operations * static_cast<double>(iterations);
    rates.push_back(1e-9 * Rate(operations, seconds));
  }
  if (comm_.rank() != 0) rates.clear();
  return rates;
}

void ThreadMeter::RunPeak(const Peak& peak, std::int64_t iterations) {
  threads_.ParallelFor(threads_.size(), [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) peak.run(iterations);
  });
}

void ThreadMeter::RunRead(ReadLoop loop) {
  std::atomic<std::uint64_t> all{0};
  threads_.ParallelFor(threads_.size(), [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin)
      all ^= loop(memory_ + static_cast<std::size_t>(begin) * thread_bytes_, thread_bytes_);
  });
}

// What all ranks did, by the slowest rank's time; on rank 0.
double ThreadMeter::Rate(double amount, double seconds) {
  const Share mine{amount, seconds};
  double sum = 0.0;
  double longest = 0.0;
  for (const auto& bytes : comm_.Gather(std::as_bytes(std::span<const Share, 1>(&mine, 1)))) {
    Share share{};
    LOCKSTEP_CHECK(bytes.size() == sizeof(share), "{} bytes", bytes.size());
    std::memcpy(&share, bytes.data(), sizeof(share));
    sum += share.amount;
    longest = std::max(longest, share.seconds);
  }
  return longest > 0.0 ? sum / longest : 0.0;
}

}  // namespace

std::unique_ptr<CeilingMeter> MeterOfThreads(ControlPlane& comm, const ThreadsToMeter& setup) {
  return std::make_unique<ThreadMeter>(comm, setup);
}

}  // namespace lockstep
