// Ranks that exchange their weights for those of another checkpoint, against ranks that were
// started with it: the same bits, and after whatever goes wrong those of the weights before.
#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>

#include "core/files/file.h"
#include "serving/weight_exchange.h"
#include "tests/multi_rank/multi_rank.h"
#include "tests/support/golden/varied_requests.h"
#include "tests/support/message_of.h"
#include "tests/support/seeded_weights.h"
#include "tests/support/test_data.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kRequests = 12;
constexpr RequestRoom kRoom{.context = 64, .vocab = 90};

class OtherWeightsTest : public MultiRank {
 protected:
  using Work = std::function<void(Engine&, WeightExchange&)>;

  // Two checkpoints of one shape and one of another; rank 0's, which all use.
  OtherWeightsTest() {
    std::string path = folder_.path().string();
    ControlPlane::Bytes bytes(path.size());
    std::memcpy(bytes.data(), path.data(), path.size());
    comm().Broadcast(bytes);
    root_.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (rank() == 0) {
      Write("neox_12_heads_pythia_config", 101, "first");
      Write("neox_12_heads_pythia_config", 202, "second");
      Write("neox_no_attention_bias", 303, "unlike");
    }
    comm().Barrier();
  }
  ~OtherWeightsTest() override { comm().Barrier(); }

  // Runs the work on rank 0 of ranks that are started with this checkpoint.
  void OnRanks(const std::string& checkpoint, WeightFormat format, const Work& work) const {
    Arguments arguments;
    arguments.options.model.path = checkpoint;
    arguments.options.model.dtype = format;
    const ProcessGrid grid(comm());
    const ModelFiles model = OpenModel(arguments);
    LoadedModel loaded = LoadModel(arguments, model, KvCache::PagesFor(4 * kRoom.context), grid);
    OtherWeights others(arguments, model, ProcessGrid(comm()), loaded);
    if (rank() != 0)
      return RunWorker(*loaded.decoder, comm(),
                       [&](std::string_view words) { others.Obey(words); });
    Engine engine(*loaded.decoder, comm(),
                  {.end_tokens = model.generation.end_tokens, .hidden_layer = 2});
    WeightExchange weights(engine, others, nullptr);
    work(engine, weights);
    engine.Shutdown();
  }

  static Reports Answers(Engine& engine) { return RunTogether(engine, kRequests, kRoom); }

  Reports Fresh(const std::string& checkpoint, WeightFormat format) const {
    Reports reports;
    OnRanks(checkpoint, format,
            [&](Engine& engine, WeightExchange&) { reports = Answers(engine); });
    return reports;
  }

  static std::filesystem::path WeightsIn(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".safetensors") return entry.path();
    throw std::runtime_error(folder + " has no weights");
  }

  std::string At(const std::string& name) const { return root_ + "/" + name; }

 private:
  void Write(const std::string& name, int seed, const std::string& checkpoint) const {
    const auto source = SourceFolder() / "tests/golden/cases" / name;
    const std::filesystem::path scratch = At(checkpoint + ".case");
    std::filesystem::create_directory(scratch);
    std::filesystem::copy_file(source / "config.json", scratch / "config.json");
    std::string golden = ReadFile(source / "golden.json");
    const std::size_t at = golden.find("\"seed\": ") + 8;
    golden.replace(at, golden.find(',', at) - at, std::to_string(seed));
    WriteText(scratch / "golden.json", golden);
    WriteSeededCheckpoint(scratch, At(checkpoint));
  }

  const TemporaryFolder folder_;
  std::string root_;
};

TEST_F(OtherWeightsTest, GiveTheBitsOfRanksThatWereStartedWithThem) {
  for (const WeightFormat format :
       {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4}) {
    const Reports first = Fresh(At("first"), format), second = Fresh(At("second"), format);
    OnRanks(At("first"), format, [&](Engine& engine, WeightExchange& weights) {
      EXPECT_FALSE(first == second);
      EXPECT_TRUE(Answers(engine) == first);
      weights.Load(At("second"));
      EXPECT_TRUE(Answers(engine) == second) << Name(format);
      EXPECT_TRUE(Answers(engine) == second) << "from the cache";
      weights.Load(At("first"));
      EXPECT_TRUE(Answers(engine) == first) << Name(format) << ", and back";
    });
  }
}

TEST_F(OtherWeightsTest, AreNotTheRanksUntilTheySwitch) {
  const Reports first = Fresh(At("first"), WeightFormat::kF32);
  OnRanks(At("first"), WeightFormat::kF32, [&](Engine& engine, WeightExchange& weights) {
    weights.Read(At("second"));
    EXPECT_TRUE(Answers(engine) == first);
    weights.Drop();
    EXPECT_TRUE(Answers(engine) == first);
    weights.Read(At("second"));
    weights.Load(At("first"));
    EXPECT_TRUE(Answers(engine) == first);
  });
}

TEST_F(OtherWeightsTest, ThatCannotBeReadChangeNothing) {
  if (rank() == 0) {
    std::filesystem::copy(At("second"), At("short"));
    std::filesystem::copy(At("second"), At("nothing"));
    const auto file = WeightsIn(At("short"));
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1000);
    std::filesystem::remove(WeightsIn(At("nothing")));
  }
  const Reports first = Fresh(At("first"), WeightFormat::kF32);
  OnRanks(At("first"), WeightFormat::kF32, [&](Engine& engine, WeightExchange& weights) {
    const auto refusal = [&](const std::string& name) {
      return MessageOf([&] { weights.Load(name); });
    };
    EXPECT_THAT(refusal(At("missing")), HasSubstr("no such folder"));
    EXPECT_THAT(refusal(At("nothing")), HasSubstr(At("nothing")));
    EXPECT_THAT(refusal(At("short")), HasSubstr("safetensors"));
    EXPECT_THAT(refusal(At("unlike")), HasSubstr("expected the same shape"));
    EXPECT_THAT(refusal(""), HasSubstr("model"));
    EXPECT_TRUE(Answers(engine) == first);
  });
}

// Where one rank alone cannot read, no rank switches.
TEST_F(OtherWeightsTest, AreThoseOfAllRanksOrOfNone) {
  if (size() == 1) return;
  const Reports first = Fresh(At("first"), WeightFormat::kF32);
  const Reports second = Fresh(At("second"), WeightFormat::kF32);
  if (rank() == 0) {
    std::filesystem::create_directories(At("hub/models--a--b/snapshots"));
    std::filesystem::copy(At("second"), At("hub/models--a--b/snapshots/c"));
  }
  comm().Barrier();
  const auto cache = At(rank() == 1 ? "elsewhere" : "hub");
  ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
  OnRanks(At("first"), WeightFormat::kF32, [&](Engine& engine, WeightExchange& weights) {
    EXPECT_THAT(MessageOf([&] { weights.Load("a/b@c"); }), HasSubstr("(rank 1 on "));
    EXPECT_TRUE(Answers(engine) == first);
  });
  ::setenv("HF_HUB_CACHE", At("hub").c_str(), 1);
  OnRanks(At("first"), WeightFormat::kF32, [&](Engine& engine, WeightExchange& weights) {
    weights.Load("a/b@c");
    EXPECT_TRUE(Answers(engine) == second);
  });
  ::unsetenv("HF_HUB_CACHE");
}

}  // namespace
}  // namespace lockstep::testing
