#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "partition/checkpoint/checkpoint.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/test_data.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKSTEP_MEMORY_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LOCKSTEP_MEMORY_IS_OURS 0
#endif
#endif
#ifndef LOCKSTEP_MEMORY_IS_OURS
#define LOCKSTEP_MEMORY_IS_OURS 1
#endif

namespace lockstep {
namespace {

constexpr std::int64_t kMatrices = 8;
constexpr std::int64_t kExtent = 2048;
constexpr std::uint64_t kFileBytes = kMatrices * kExtent * kExtent * 2;  // 64 MiB in fp16
constexpr std::uint64_t kSliceBytes = kFileBytes / 2;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// What does not grow with the model: one tile of the file, and the pages that the kernel maps
// around it unasked.
constexpr std::uint64_t kConstantBytes = 6 * kMiB;

std::string MatrixName(std::int64_t i) { return "matrix." + std::to_string(i); }

// What one rank found out; written through a pipe.
struct Measurement {
  std::uint64_t peak_bytes = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t wrong_elements = 0;
};

// A line of /proc/self/status in bytes: "VmRSS", or "VmHWM" for the peak.
std::uint64_t StatusBytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != key + ":") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// Half of the rows of even matrices, half of the columns of odd ones.
TensorSlice SliceOf(std::int64_t matrix, std::int64_t rank) {
  const Range half{rank * kExtent / 2, (rank + 1) * kExtent / 2};
  const Range whole{0, kExtent};
  return {MatrixName(matrix),
          {kExtent, kExtent},
          matrix % 2 == 0 ? half : whole,
          matrix % 2 == 0 ? whole : half};
}

std::uint64_t WrongElements(const TensorSlice& slice, const TensorView& view, std::uint64_t seed) {
  std::uint64_t wrong = 0;
  const auto* value = view.data<BFloat16>();
  for (std::int64_t row = slice.rows.begin; row < slice.rows.end; ++row)
    for (std::int64_t column = slice.columns.begin; column < slice.columns.end; ++column, ++value)
      wrong += static_cast<float>(*value) !=
               PatternValue(seed, static_cast<std::uint64_t>(row * kExtent + column));
  return wrong;
}

// Memory for the weights that no test before this one can have touched, as the heap's may be.
std::byte* FreshMemory(std::uint64_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory");
  return static_cast<std::byte*>(memory);
}

Measurement LoadAsRank(const std::filesystem::path& folder, std::int64_t rank) {
  const std::uint64_t before = StatusBytes("VmRSS");
  ResetPeak();
  const auto checkpoint = Checkpoint::Open(folder);
  std::byte* memory = FreshMemory(kSliceBytes);
  std::vector<TensorView> weights;
  for (std::int64_t i = 0; i < kMatrices; ++i) {
    const TensorSlice slice = SliceOf(i, rank);
    weights.emplace_back(memory, DType::kBF16, Shape{slice.rows.size(), slice.columns.size()});
    checkpoint.Read(slice, weights.back());
    memory += weights.back().bytes();
  }
  Measurement result{StatusBytes("VmHWM") - before, checkpoint.bytes_read(), 0};
  for (std::int64_t i = 0; i < kMatrices; ++i)
    result.wrong_elements += WrongElements(SliceOf(i, rank), weights[static_cast<std::size_t>(i)],
                                           static_cast<std::uint64_t>(i));
  return result;
}

// Loads in a process of its own, whose memory nobody else uses.
Measurement LoadInChild(const std::filesystem::path& folder, std::int64_t rank) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    const Measurement result = LoadAsRank(folder, rank);
    const bool sent = ::write(ends[1], &result, sizeof result) == sizeof result;
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  Measurement result;
  const bool received = ::read(ends[0], &result, sizeof result) == sizeof result;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!received || status != 0) throw std::runtime_error("the rank failed");
  return result;
}

TEST(CheckpointMemory, StaysWithinTheSliceAndTenPercent) {
  if (LOCKSTEP_MEMORY_IS_OURS == 0) GTEST_SKIP() << "a sanitizer's own memory would be counted too";
  const TemporaryFolder folder;
  std::vector<CheckpointTensor> tensors;
  for (std::int64_t i = 0; i < kMatrices; ++i)
    tensors.push_back(PatternTensor(MatrixName(i), DType::kF16, {kExtent, kExtent},
                                    static_cast<std::uint64_t>(i)));
  WriteSafetensors(folder / "model.safetensors", tensors);
  for (const std::int64_t rank : {0, 1}) {
    const Measurement measured = LoadInChild(folder.path(), rank);
    EXPECT_EQ(measured.wrong_elements, 0u);
    EXPECT_EQ(measured.bytes_read, kSliceBytes);
    EXPECT_GE(measured.peak_bytes, kSliceBytes) << "nothing was measured";
    EXPECT_LE(measured.peak_bytes, kSliceBytes + kSliceBytes / 10 + kConstantBytes);
    RecordProperty(fmt::format("rank_{}_peak_bytes", rank), std::to_string(measured.peak_bytes));
  }
}

}  // namespace
}  // namespace lockstep
