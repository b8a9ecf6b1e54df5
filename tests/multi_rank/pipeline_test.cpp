// Requests of every kind through the stages of a pipeline, on every layout of this world, against
// their solo runs on one rank: the same bits, whatever the format.
#include <cstdlib>
#include <cstring>

#include "comm/self_communicator.h"
#include "engine/stage_traffic.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/golden/varied_requests.h"

namespace lockstep::testing {
namespace {

constexpr std::int64_t kPipelineRequests = 40;
constexpr RequestRoom kPipelineRoom{.context = 64, .vocab = 90};

struct PipelineModel {
  const char* name;  // of a golden case
  WeightFormat format;
  std::int64_t layers;
};

void PrintTo(const PipelineModel& model, std::ostream* out) {
  *out << model.name << " in " << Name(model.format);
}

// Another control plane, and how many bytes this rank has sent to single ranks through it.
class CountedMessages final : public ControlPlane {
 public:
  explicit CountedMessages(ControlPlane& inner) : ControlPlane(inner.deadline()), inner_(inner) {}

  std::size_t sent() const { return sent_; }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  const HostMap& hosts() const override { return inner_.hosts(); }
  std::vector<Bytes> AllGather(std::span<const std::byte> mine) override {
    return inner_.AllGather(mine);
  }
  std::vector<Bytes> Gather(std::span<const std::byte> mine) override {
    return inner_.Gather(mine);
  }
  void Broadcast(Bytes& message) override { inner_.Broadcast(message); }
  void Barrier() override { inner_.Barrier(); }
  std::unique_ptr<Communicator> Split(int color, int key) override {
    return inner_.Split(color, key);
  }
  [[noreturn]] void Abort(int exit_code) override {
    inner_.Abort(exit_code);
    std::_Exit(exit_code);
  }

 protected:
  void SendTo(int to, std::span<const std::byte> message) override {
    sent_ += message.size();
    inner_.Send(to, message);
  }
  void RecvFrom(int from, Bytes& message) override { inner_.Recv(from, message); }

 private:
  ControlPlane& inner_;
  std::size_t sent_ = 0;
};

class PipelineTest : public MultiRank, public ::testing::WithParamInterface<PipelineModel> {
 protected:
  void SetUp() override {
    if (StageCounts().empty()) GTEST_SKIP() << "no layout of these ranks has the bits of one rank";
  }

  std::filesystem::path folder() const {
    return SourceFolder() / "tests/golden/cases" / GetParam().name;
  }

  GoldenSetup SetupOf(int stages) const {
    return {.dtype = GetParam().format,
            .cache_pages = 2 * KvCache::PagesFor(kPipelineRoom.context) + 1,
            .stages = stages};
  }

  Reports Alone(std::int64_t hidden_layer) const {
    SelfCommunicator self;
    GoldenModel model(folder(), self, {.dtype = GetParam().format});
    return RunAlone(model.decoder(), self,
                    {.count = kPipelineRequests, .ending = 3, .hidden_layer = hidden_layer},
                    kPipelineRoom);
  }

  Reports Together(GoldenModel& model, const EngineOptions& options, SchedulerCounts& counts) {
    if (rank() != 0) {
      RunWorker(model.decoder(), model.ranks());
      return {};
    }
    Engine engine(model.decoder(), model.ranks(), options);
    const Reports reports = RunTogether(engine, kPipelineRequests, kPipelineRoom);
    counts.preemptions += engine.status().counts.preemptions;
    counts.prefix_hits += engine.status().counts.prefix_hits;
    engine.Shutdown();
    return reports;
  }

  // The embedding's output, that of the first block, and of all: each stage has one of them.
  std::vector<std::int64_t> HiddenLayers() const {
    if (GetParam().format != WeightFormat::kF32) return {GetParam().layers};
    return {0, 1, GetParam().layers};
  }

  // Stages that this world can be cut into, of ranks whose sums have the bits of one.
  std::vector<int> StageCounts() const {
    std::vector<int> counts;
    for (int stages = 1; stages <= size() && stages <= GetParam().layers; ++stages)
      if (size() % stages == 0 && 8 % (size() / stages) == 0) counts.push_back(stages);
    return counts;
  }
};

TEST_P(PipelineTest, HasTheBitsOfEachRequestAlone) {
  SchedulerCounts counts;
  for (const std::int64_t hidden_layer : HiddenLayers()) {
    const Reports alone = rank() == 0 ? Alone(hidden_layer) : Reports{};
    for (const int stages : StageCounts()) {
      GoldenModel model(folder(), comm(), SetupOf(stages));
      for (const std::int64_t step_tokens : {14, 512}) {
        const Reports together = Together(model,
                                          {.max_sequences = 6,
                                           .max_step_tokens = step_tokens,
                                           .end_tokens = {3},
                                           .hidden_layer = hidden_layer},
                                          counts);
        if (rank() == 0) {
          EXPECT_EQ(together.size(), alone.size());
        }
        for (const auto& [id, report] : together)
          EXPECT_EQ(report, alone.at(id)) << "request " << id << ", " << step_tokens << " tokens, "
                                          << stages << " stages, hidden layer " << hidden_layer;
      }
    }
  }
  if (rank() != 0) return;
  EXPECT_GT(counts.preemptions, 0) << "or the pages were not scarce";
  EXPECT_GT(counts.prefix_hits, 0) << "or nothing was shared";
}

// A draw that has further questions, in one batch with a text whose hidden states are asked for.
TEST_P(PipelineTest, KeepsHiddenStatesWhileADrawAsksOn) {
  Request embedded{.id = 0, .prompt = {5, 9, 11, 20, 33, 41}};
  embedded.embedding = Pooling::kMean;
  Request drawn{.id = 1, .prompt = {8, 17, 60}};
  drawn.sampling.max_new_tokens = 4;
  drawn.sampling.temperature = 5;
  drawn.sampling.top_p = 0.97F;
  const auto reports_of = [&](Decoder& decoder, const EngineRanks& ranks) {
    Engine engine(decoder, ranks, {.hidden_layer = GetParam().layers});
    engine.Submit(embedded);
    engine.Submit(drawn);
    Reports reports;
    while (!engine.idle())
      for (const TokenEvent& event : engine.Step()) Report(event, reports[event.request]);
    engine.Shutdown();
    return reports;
  };
  Reports expected;
  if (rank() == 0) {
    SelfCommunicator self;
    GoldenModel model(folder(), self, {.dtype = GetParam().format});
    expected = reports_of(model.decoder(), self);
  }
  for (const int stages : StageCounts()) {
    GoldenModel model(folder(), comm(), SetupOf(stages));
    if (rank() != 0) {
      RunWorker(model.decoder(), model.ranks());
      continue;
    }
    EXPECT_EQ(reports_of(model.decoder(), model.ranks()), expected) << stages << " stages";
  }
}

// To another host once, however many ranks a stage has there; within a host once for each rank.
TEST_P(PipelineTest, GivesActivationsToAHostOnce) {
  for (const int stages : StageCounts()) {
    GoldenModel model(folder(), comm(), SetupOf(stages));
    CountedMessages counted(model.ranks().copy);
    const EngineRanks ranks(counted, *model.ranks().stage);
    Request request{.id = 0, .prompt = {5, 9, 11, 20, 33, 41, 2}};
    request.sampling.max_new_tokens = 5;
    if (rank() != 0) {
      RunWorker(model.decoder(), ranks);
    } else {
      Engine engine(model.decoder(), ranks, {.max_step_tokens = 14});
      engine.Submit(request);
      while (!engine.idle()) engine.Step();
      engine.Shutdown();
    }
    const std::size_t sent = counted.sent();
    std::size_t of_all = 0;
    for (const auto& bytes : comm().AllGather(std::as_bytes(std::span(&sent, 1)))) {
      std::size_t of_one = 0;
      ASSERT_EQ(bytes.size(), sizeof(of_one));
      std::memcpy(&of_one, bytes.data(), sizeof(of_one));
      of_all += of_one;
    }
    // The last token that is made is not computed any more.
    const std::size_t tokens = request.prompt.size() + 4;
    const int stage_ranks = size() / stages;
    std::size_t times = 0;
    for (int stage = 1; stage < stages; ++stage)
      times += IsGivenSlices(comm().hosts(), stage_ranks, stage)
                   ? 1
                   : static_cast<std::size_t>(stage_ranks);
    const auto width = static_cast<std::size_t>(model.decoder().spec().d_model) * sizeof(float);
    EXPECT_EQ(of_all, times * tokens * width) << stages << " stages";
  }
}

// Work that is taken back while it is in the pipeline, under numbers that come again.
TEST_P(PipelineTest, ForgetsWhatWasCancelledOnItsWay) {
  for (const int stages : StageCounts()) {
    GoldenModel model(folder(), comm(), SetupOf(stages));
    if (rank() != 0) {
      RunWorker(model.decoder(), model.ranks());
      continue;
    }
    Engine engine(model.decoder(), model.ranks(), {.max_sequences = 6, .max_step_tokens = 14});
    const auto tokens_of = [&](const Request& request) {
      std::vector<std::int32_t> tokens;
      engine.Submit(request);
      while (!engine.idle())
        for (const TokenEvent& event : engine.Step()) tokens.push_back(event.token);
      return tokens;
    };
    Request request{.id = 7, .prompt = {5, 9, 11, 20, 33, 41, 2, 8, 17, 60}};
    request.sampling.max_new_tokens = 12;
    const std::vector<std::int32_t> expected = tokens_of(request);
    EXPECT_EQ(expected.size(), 12u);
    for (int steps = 1; steps <= 5; ++steps) {
      Request other = request;
      other.prompt = {44, 45, 46};
      engine.Submit(other);
      for (int step = 0; step < steps; ++step) engine.Step();
      engine.Cancel(other.id);
      EXPECT_EQ(tokens_of(request), expected) << "cancelled after " << steps << " steps";
    }
    engine.Shutdown();
  }
}

std::vector<PipelineModel> PipelineModels() {
  std::vector<PipelineModel> models;
  for (const WeightFormat format :
       {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4})
    models.push_back({"gptj_16_heads", format, 3});
  models.push_back({"neox_12_heads_pythia_config", WeightFormat::kF32, 2});
  models.push_back({"neox_sequential_exact_gelu", WeightFormat::kF32, 2});
  models.push_back({"gpt2_scores_by_layer", WeightFormat::kF32, 3});
  return models;
}

INSTANTIATE_TEST_SUITE_P(Ranks, PipelineTest, ::testing::ValuesIn(PipelineModels()),
                         [](const auto& one) {
                           return std::string(one.param.name) + "_" +
                                  std::string(Name(one.param.format));
                         });

}  // namespace
}  // namespace lockstep::testing
