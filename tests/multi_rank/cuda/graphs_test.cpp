// Steps that the CUDA backend records and replays: their bits are those of steps that are not, and
// the host does next to nothing for them. On the emulated module, which counts what is asked of it,
// or on a GPU's, which does not: there the counts are left out.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>

#include "comm/self_communicator.h"
#include "emulation_counts.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Counts = cuda_emulation::Statistics;

// Null where nothing is emulated.
EmulationCounts FindCounts() {
  CudaModule();
  void* library = ::dlopen(std::getenv("LOCKSTEP_CUDA_MODULE"), RTLD_NOW | RTLD_NOLOAD);
  LOCKSTEP_CHECK(library != nullptr, "the module is not open");
  return reinterpret_cast<EmulationCounts>(::dlsym(library, kEmulationCountsSymbol));
}

bool IsEmulated() { return FindCounts() != nullptr; }

Counts CountsOfModule() {
  const EmulationCounts counts = FindCounts();
  return counts == nullptr ? Counts{} : *counts();
}

void ExpectGraphLaunches(std::uint64_t least, const Counts& before) {
  if (!IsEmulated()) return;
  EXPECT_GE(CountsOfModule().graph_launches - before.graph_launches, least);
}

using StepModel = std::unique_ptr<GoldenModel>;

class CudaGraphs : public MultiRank {
 protected:
  static std::filesystem::path Folder(const char* name) {
    return SourceFolder() / "tests/golden/cases" / name;
  }

  std::unique_ptr<GoldenModel> Model(const char* name, StepGraphs graphs) {
    auto model = std::make_unique<GoldenModel>(Folder(name), comm(),
                                               GoldenSetup{.dtype = WeightFormat::kBF16,
                                                           .module = &CudaModule(),
                                                           .settings = {.graphs = graphs},
                                                           .cache_pages = kPages});
    return model;
  }

  static constexpr std::int64_t kPages = 32;
};

// Sequences that grow by a token at a time, each with pages of its own.
class Texts {
 public:
  Texts(GoldenModel& model, std::vector<std::int64_t> sizes)
      : model_(model), sizes_(std::move(sizes)) {}

  // What is there so far but the last token, as one batch of prompts.
  void Prefill() {
    Batch batch;
    for (std::size_t i = 0; i < sizes_.size(); ++i) Add(i, 0, sizes_[i] - 1, batch);
    Run(batch);
    model_.device().Synchronize();  // there is no row of logits to wait for
  }

  // The last token of the first `count` sequences; then they are a token longer.
  std::vector<float> Step(std::size_t count) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.logit_rows.push_back(static_cast<std::int64_t>(i));
      Add(i, sizes_[i] - 1, 1, batch);
      ++sizes_[i];
    }
    return Run(batch);
  }

 private:
  void Add(std::size_t index, std::int64_t start, std::int64_t count, Batch& batch) const {
    SequenceRows rows{.first_row = static_cast<std::int64_t>(batch.ids.size()),
                      .token_count = count,
                      .start = start,
                      .page_table = {}};
    for (int page = 0; page < 6; ++page)
      rows.page_table.push_back(static_cast<std::int32_t>(index) * 6 + page);
    for (std::int64_t i = 0; i < count; ++i)
      batch.ids.push_back(static_cast<std::int32_t>((start + i) * 7 + rows.page_table[0]) % 200);
    batch.sequences.push_back(std::move(rows));
  }

  std::vector<float> Run(const Batch& batch) {
    const TensorView logits = model_.decoder().Forward(batch);
    const Tensor host = Tensor::OnHost(logits.dtype(), logits.shape());
    model_.device().Download(logits, host.view());
    const auto* values = host.view().data<float>();
    return {values, values + host.view().elements()};
  }

  GoldenModel& model_;
  std::vector<std::int64_t> sizes_;
};

// The logits of these steps, by the number of sequences that take part; a prompt of 90 tokens, more
// than any buffer has seen, comes in between.
std::vector<std::vector<float>> LogitsOf(GoldenModel& model, std::span<const std::size_t> steps) {
  Texts texts(model, {5, 125, 40, 1, 1}), late(model, {91});
  texts.Prefill();
  std::vector<std::vector<float>> logits;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (i == steps.size() / 2) late.Prefill();
    if (i == steps.size() / 2) texts.Prefill();
    logits.push_back(texts.Step(steps[i]));
  }
  return logits;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_F(CudaGraphs, ReplayTheBitsOfStepsThatAreNotRecorded) {
  // Positions grow beyond 128 on the way.
  const std::vector<std::size_t> steps{3, 3, 4, 3, 5, 5, 5, 1, 2, 1, 1, 3, 3, 3, 4, 2, 2, 2, 5, 5};
  const auto plain = LogitsOf(*Model("gptj_5_heads_fp16", StepGraphs::kOff), steps);
  const Counts before = CountsOfModule();
  const auto replayed = LogitsOf(*Model("gptj_5_heads_fp16", StepGraphs::kAuto), steps);
  ExpectGraphLaunches(5, before);
  for (std::size_t i = 0; i < steps.size(); ++i)
    EXPECT_TRUE(SameBits(plain[i], replayed[i])) << "step " << i;
}

// The same rows through a step on the device, counted.
struct StepCounts {
  std::uint64_t enqueued, graph_launches, launches, waits, all_reduces;
};
template <typename F>
StepCounts CountsOf(const F& step) {
  const Counts before = CountsOfModule();
  step();
  const Counts after = CountsOfModule();
  return {after.enqueued - before.enqueued, after.graph_launches - before.graph_launches,
          after.launches - before.launches, after.waits - before.waits,
          after.all_reduces - before.all_reduces};
}

TEST_F(CudaGraphs, TakeOneLaunchOfTheHostForAStepAndNoWaitInIt) {
  if (!IsEmulated()) GTEST_SKIP() << "counted by the emulation";
  const auto model = Model("gptj_16_heads", StepGraphs::kAuto);
  Texts texts(*model, {4, 9, 2});
  texts.Prefill();
  const StepCounts first = CountsOf([&] { texts.Step(3); });
  EXPECT_EQ(first.graph_launches, 0U) << "buffers grow in the first";
  const StepCounts recorded = CountsOf([&] { texts.Step(3); });
  EXPECT_EQ(recorded.graph_launches, 1U);
  for (int i = 0; i < 3; ++i) {
    const StepCounts replayed = CountsOf([&] { texts.Step(3); });
    EXPECT_EQ(replayed.graph_launches, 1U);
    EXPECT_EQ(replayed.launches, recorded.launches) << "kernels";
    // The step's inputs and their event, the graph, the logits and theirs.
    EXPECT_EQ(replayed.enqueued, 5U);
    // At most: for the memory that the inputs are staged in, and for the logits.
    EXPECT_LE(replayed.waits, 2U);
  }
}

TEST_F(CudaGraphs, CountEveryAllReduceThatTheyMake) {
  const auto model = Model("gptj_16_heads", StepGraphs::kAuto);
  Texts texts(*model, {4, 9, 2});
  texts.Prefill();
  for (int i = 0; i < 5; ++i) {
    const std::int64_t before = model->all_reduce_count();
    const StepCounts step = CountsOf([&] { texts.Step(3); });
    EXPECT_EQ(model->all_reduce_count() - before, model->plan().all_reduces_per_pass());
    // With several devices for each rank there is memory of peers to add through.
    if (size() > 1 && IsEmulated() && std::getenv("LOCKSTEP_CUDA_DEVICES") == nullptr) {
      EXPECT_EQ(step.all_reduces, model->plan().all_reduces_per_pass()) << "that NCCL has made";
    }
  }
}

// How many kernels a replayed step of three sequences launches where this is
// $LOCKSTEP_PEER_RESIDUAL.
std::uint64_t LaunchesOfAReplay(const char* residual, const std::function<StepModel()>& open) {
  const char* before = std::getenv("LOCKSTEP_PEER_REDUCE");
  const std::string kept = before != nullptr ? before : "auto";
  ::setenv("LOCKSTEP_PEER_REDUCE", "auto", 1);
  ::setenv("LOCKSTEP_PEER_RESIDUAL", residual, 1);
  const StepModel model = open();
  Texts texts(*model, {4, 9, 2});
  texts.Prefill();
  for (int i = 0; i < 2; ++i) texts.Step(3);
  const std::uint64_t launches = CountsOf([&] { texts.Step(3); }).launches;
  ::setenv("LOCKSTEP_PEER_REDUCE", kept.c_str(), 1);
  ::unsetenv("LOCKSTEP_PEER_RESIDUAL");
  return launches;
}

// What follows on a sum is done in its launch. An emulated sum by itself takes three, and one
// launch more for the residual; together they take two.
TEST_F(CudaGraphs, AddToTheResidualAndTakeTheNormsWithinTheSum) {
  if (!IsEmulated()) GTEST_SKIP() << "counted by the emulation";
  if (size() == 1 || CudaModule().DeviceCount() < size()) GTEST_SKIP() << "nobody to add with";
  const auto open = [&] { return Model("gptj_16_heads", StepGraphs::kAuto); };
  const auto sums = static_cast<std::uint64_t>(open()->plan().all_reduces_per_pass());
  EXPECT_EQ(LaunchesOfAReplay("on", open), LaunchesOfAReplay("off", open) - 2 * (sums - 1));
}

// One rank's graphs may refer to memory that is gone, and others' do not: all launch a step in the
// same way all the same. (NCCL wants that, and the emulated one compares.)
TEST_F(CudaGraphs, AreLaunchedByAllRanksWhateverOneOfThemFrees) {
  const std::vector<std::size_t> sizes(7, 3);
  const auto plain_model = Model("gptj_16_heads", StepGraphs::kOff);
  const auto model = Model("gptj_16_heads", StepGraphs::kAuto);
  Texts plain(*plain_model, {4, 9, 2}), texts(*model, {4, 9, 2});
  plain.Prefill();
  texts.Prefill();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    // Before a step that would be recorded, and before those that would be replayed.
    if (static_cast<std::int64_t>(i) % (size() + 1) == rank() + 1)
      model->device().Allocate(DType::kF32, {100});
    const Counts before = CountsOfModule();
    EXPECT_TRUE(SameBits(texts.Step(sizes[i]), plain.Step(sizes[i]))) << "step " << i;
    if (i > 0) ExpectGraphLaunches(1, before);
  }
}

// What a step of this rank ends in, or "".
std::string ErrorOf(const std::function<void()>& step) {
  try {
    step();
  } catch (const CollectiveError& error) {
    return error.what();
  }
  return "";
}

TEST_F(CudaGraphs, EndInAnErrorThatNamesBothSumsWhereRanksReplayDifferentSteps) {
  if (size() == 1) return;
  const auto model = Model("gptj_16_heads", StepGraphs::kAuto);
  Texts texts(*model, {4, 9, 2, 5, 6});
  texts.Prefill();
  for (const std::size_t rows : {5u, 5u, 5u, 3u, 3u, 3u}) texts.Step(rows);
  const DeadlineScope soon(comm(), 10);
  const std::string error = ErrorOf([&] { texts.Step(rank() == 0 ? 3 : 5); });
  const std::int64_t after = 8 * model->plan().all_reduces_per_pass();
  EXPECT_THAT(error, HasSubstr(fmt::format("all-reduce {} of {} values", after,
                                           (rank() == 0 ? 4 : 8) * model->plan().spec().d_model)));
  EXPECT_THAT(error, AllOf(HasSubstr("1024"), HasSubstr("2048")));
}

TEST_F(CudaGraphs, EndInAnErrorThatNamesTheRankThatHasNotReplayed) {
  if (size() == 1) return;
  const auto model = Model("gptj_16_heads", StepGraphs::kAuto);
  Texts texts(*model, {4, 9});
  texts.Prefill();
  // Recorded under this deadline: a kernel that waits for a peer's memory has it as an argument.
  const DeadlineScope soon(comm(), 10);
  for (int i = 0; i < 3; ++i) texts.Step(2);
  std::string error;
  const std::int64_t sums = model->all_reduce_count();
  if (rank() != 1) error = ErrorOf([&] { texts.Step(2); });
  if (rank() == 1) {
    // What this rank would do when it looks for the others itself.
    const std::int64_t note[2] = {sums, 2 * model->plan().spec().d_model};
    const DeadlineScope patient(comm(), 40);
    comm().AllGather(std::as_bytes(std::span(note)));
    return;
  }
  EXPECT_THAT(error, HasSubstr("did not end within 10 s"));
  EXPECT_THAT(error, HasSubstr("rank 1 on"));
  EXPECT_THAT(error, HasSubstr(fmt::format("is at all-reduce {} of", sums)));
}

class EngineOnCuda : public CudaGraphs, public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::int64_t kRequests = 10;
  static constexpr RequestRoom kRoom{.context = 60, .vocab = 90};

  Reports Run(StepGraphs graphs) {
    const auto model = Model(GetParam(), graphs);
    if (rank() != 0) {
      RunWorker(model->decoder(), comm());
      return {};
    }
    Engine engine(
        model->decoder(), comm(),
        {.max_sequences = 5, .max_step_tokens = 24, .end_tokens = {3}, .hidden_layer = 2});
    Reports reports = RunTogether(engine, kRequests, kRoom);
    engine.Shutdown();
    return reports;
  }
};

// Sequences come and go, prompts and single tokens share batches, texts are embedded and scored.
TEST_P(EngineOnCuda, ReportsTheSameWithAndWithoutGraphs) {
  const Reports plain = Run(StepGraphs::kOff);
  const Counts before = CountsOfModule();
  const Reports replayed = Run(StepGraphs::kAuto);
  ExpectGraphLaunches(6, before);
  EXPECT_EQ(replayed, plain);
}

using Text = std::vector<std::int32_t>;

// Greedy texts of requests that come and go, each with its prompt before it, by request.
std::map<std::int64_t, Text> GreedyTexts(GoldenModel& model, Communicator& world) {
  std::map<std::int64_t, Text> texts;
  if (world.rank() != 0) {
    RunWorker(model.decoder(), world);
    return texts;
  }
  Engine engine(model.decoder(), world, {.max_sequences = 3, .max_step_tokens = 20});
  for (std::int64_t id = 0; id < 6; ++id) {
    Request request{.id = id, .prompt = {}};
    for (std::int64_t i = 0; i < 3 + id * 5; ++i)
      request.prompt.push_back(static_cast<std::int32_t>((i * 31 + id * 17) % 200));
    texts[id] = request.prompt;
    request.sampling.max_new_tokens = 12 - id;
    engine.Submit(std::move(request));
  }
  while (!engine.idle())
    for (const TokenEvent& event : engine.Step()) texts[event.request].push_back(event.token);
  engine.Shutdown();
  return texts;
}

class GreedyOnCuda : public CudaGraphs, public ::testing::WithParamInterface<const char*> {
 protected:
  // How far transformers' own bf16 is from fp32 in this model: what numerics.md allows a logit.
  static double Bound() {
    double bound = 0;
    for (const GoldenPrompt& prompt : LoadGoldenCase(Folder(GetParam())).prompts)
      bound = std::max(bound, prompt.bf16_max_error);
    return bound;
  }

  // By how much two texts' first different tokens fall short of the largest logit there, in fp32.
  static double Shortfall(GoldenModel& fp32, const Text& a, const Text& b) {
    const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at.first == a.end() || at.second == b.end()) return HUGE_VAL;
    const auto row = at.first - a.begin() - 1;
    const auto logits = fp32.Logits({a.begin(), at.first}, {row}, kWhole);
    const auto lower = std::min(logits.at(static_cast<std::size_t>(*at.first)),
                                logits.at(static_cast<std::size_t>(*at.second)));
    return *std::max_element(logits.begin(), logits.end()) - lower;
  }

  static constexpr std::int64_t kWhole = 1 << 20;
};

// Weights are random: some texts meet two tokens whose logits differ by less than bf16 can tell,
// and go their ways from there. Until then they are equal.
TEST_P(GreedyOnCuda, ChoosesTheTokensThatTheCpuChoosesUnlessTheyTie) {
  const auto on_cuda = GreedyTexts(*Model(GetParam(), StepGraphs::kAuto), comm());
  GoldenModel cpu(Folder(GetParam()), comm(),
                  {.dtype = WeightFormat::kBF16, .cache_pages = kPages});
  const auto on_cpu = GreedyTexts(cpu, comm());
  if (rank() != 0) return;
  SelfCommunicator self;
  GoldenModel fp32(Folder(GetParam()), self, {});
  int equal = 0;
  for (const auto& [id, text] : on_cpu) {
    const Text& found = on_cuda.at(id);
    if (found == text)
      ++equal;
    else
      EXPECT_LE(Shortfall(fp32, found, text), Bound()) << "request " << id;
  }
  EXPECT_GE(equal, 5) << "of " << on_cpu.size();
}

INSTANTIATE_TEST_SUITE_P(Models, GreedyOnCuda,
                         ::testing::Values("gptj_16_heads", "neox_sequential_exact_gelu",
                                           "gpt2_scores_by_layer"),
                         [](const auto& one) { return std::string(one.param); });

INSTANTIATE_TEST_SUITE_P(Models, EngineOnCuda,
                         ::testing::Values("gptj_16_heads", "neox_sequential_exact_gelu"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace lockstep::testing
