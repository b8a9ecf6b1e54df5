// Stages of a pipeline on GPUs, one for each rank: the bits that a text has alone on one GPU, by
// parallel.batch_invariant: on. LOCKSTEP_CUDA_MODULE says which module: the emulated one, in
// ordinary runs.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "comm/self_communicator.h"
#include "emulation_counts.h"
#include "partition/model/config_json.h"
#include "tests/multi_rank/bits_case.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"

namespace lockstep::testing {
namespace {

constexpr std::int64_t kStagedLayer = 1;  // whose output hidden states are
constexpr double kPatience = 600;         // seconds: emulated kernels take their time

// A prompt of several chunks, single tokens that are drawn, scores of a prompt, hidden states.
std::vector<Request> StagedRequests() {
  std::vector<Request> requests;
  for (const std::int64_t size : {30, 1, 11, 9, 3}) {
    Request& request = requests.emplace_back();
    request.id = std::ssize(requests) - 1;
    for (std::int64_t i = 0; i < size; ++i)
      request.prompt.push_back(static_cast<std::int32_t>((i * 31 + size * 17) % 90));
    request.sampling.max_new_tokens = 4 + request.id;
    request.sampling.stream = static_cast<std::uint64_t>(request.id);
    request.sampling.temperature = request.id % 2 == 0 ? 0.0 : 0.9;
    request.logprobs = 2;
  }
  requests[2].prompt_logprobs = 1;
  requests[3].embedding = Pooling::kMean;
  return requests;
}

Reports RunStaged(Decoder& decoder, const EngineRanks& ranks, std::span<const Request> requests) {
  Engine engine(decoder, ranks,
                {.max_sequences = 6, .max_step_tokens = 24, .hidden_layer = kStagedLayer});
  for (const Request& request : requests) engine.Submit(request);
  Reports reports;
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step()) Report(event, reports[event.request]);
  if (ranks.copy.size() > 1) engine.Shutdown();
  return reports;
}

// How many graphs this process has launched; nothing on a GPU, where nobody counts.
std::optional<std::uint64_t> GraphLaunches() {
  CudaModule();
  void* library = ::dlopen(std::getenv("LOCKSTEP_CUDA_MODULE"), RTLD_NOW | RTLD_NOLOAD);
  LOCKSTEP_CHECK(library != nullptr, "the module is not open");
  const auto counts = reinterpret_cast<EmulationCounts>(::dlsym(library, kEmulationCountsSymbol));
  if (counts == nullptr) return std::nullopt;
  return counts()->graph_launches;
}

class CudaPipeline : public MultiRank, public ::testing::WithParamInterface<BitsCase> {
 protected:
  std::filesystem::path folder() const {
    return SourceFolder() / "tests/golden/cases" / GetParam().name;
  }

  GoldenSetup SetupOf(int stages, StepGraphs graphs) const {
    return {.dtype = GetParam().format,
            .module = &CudaModule(),
            .settings = {.graphs = graphs, .batch_invariant = BatchInvariance::kOn},
            .cache_pages = 12,
            .stages = stages};
  }

  Reports Alone() const {
    SelfCommunicator self;
    GoldenModel model(folder(), self, SetupOf(1, StepGraphs::kOff));
    Reports alone;
    for (const Request& request : StagedRequests())
      alone.merge(RunStaged(model.decoder(), self, std::span(&request, 1)));
    return alone;
  }

  Reports Staged(int stages, StepGraphs graphs) {
    GoldenModel model(folder(), comm(), SetupOf(stages, graphs));
    if (rank() == 0) return RunStaged(model.decoder(), model.ranks(), StagedRequests());
    RunWorker(model.decoder(), model.ranks());
    return {};
  }

  // Those that this world can be cut into, but for one: of 1 or 2 ranks each.
  std::vector<int> StageCounts() const {
    const std::int64_t layers = LoadModelSpec(folder()).layer_count;
    std::vector<int> counts;
    for (int stages = 2; stages <= size() && stages <= layers; ++stages)
      if (size() % stages == 0 && size() / stages <= 2) counts.push_back(stages);
    return counts;
  }
};

// Prompts in chunks, and single tokens by replayed steps that are filled up to more rows.
TEST_P(CudaPipeline, HasTheBitsOfEachRequestAlone) {
  ASSERT_FALSE(StageCounts().empty());
  const DeadlineScope patient(comm(), kPatience);
  const Reports alone = rank() == 0 ? Alone() : Reports{};
  for (const int stages : StageCounts()) {
    const std::optional<std::uint64_t> before = GraphLaunches();
    EXPECT_EQ(Staged(stages, StepGraphs::kAuto), alone) << stages << " stages";
    if (before) {
      EXPECT_GT(*GraphLaunches(), *before) << "or no step of this stage was replayed";
    }
  }
}

TEST_P(CudaPipeline, HasTheSameBitsWithoutGraphs) {
  const DeadlineScope patient(comm(), kPatience);
  const int stages = StageCounts().front();
  const Reports replayed = Staged(stages, StepGraphs::kAuto);
  EXPECT_EQ(Staged(stages, StepGraphs::kOff), replayed);
}

INSTANTIATE_TEST_SUITE_P(Models, CudaPipeline,
                         ::testing::Values(BitsCase{"gptj_16_heads", WeightFormat::kBF16},
                                           BitsCase{"neox_sequential_residual",
                                                    WeightFormat::kF16}),
                         [](const auto& one) { return NameOf(one.param); });

}  // namespace
}  // namespace lockstep::testing
