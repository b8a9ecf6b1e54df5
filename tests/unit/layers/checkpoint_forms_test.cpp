// Checkpoints that do not hold a whole model for texts, or under other names: what transformers
// makes of them, on one rank. tests/golden/make_checkpoint_goldens.py has made them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "comm/self_communicator.h"
#include "core/files/file.h"
#include "core/json.h"
#include "layers/decoder.h"
#include "partition/model/config_json.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr double kTolerance = 2e-6;

fs::path Golden(const std::string& name) {
  return SourceFolder() / "tests/golden/checkpoints" / name;
}

Json ExpectedOf(const std::string& name) {
  const fs::path path = Golden(name) / "expected.json";
  return ParseJson(ReadFile(path), path.string());
}

enum class Use { kTexts, kVectors };

// The model of a folder, loaded for texts or for vectors alone.
class LoadedModel {
 public:
  LoadedModel(const fs::path& folder, Use use)
      : plan_(LoadModelSpec(folder), 1), backend_(MakeBackend(BackendKind::kCpu, 1)) {
    const Checkpoint checkpoint = Checkpoint::Open(folder);
    RankSlices slices = plan_.Slices(0);
    if (use == Use::kVectors) slices.head = {};
    ModelWeights weights = LoadWeights(plan_.spec(), slices, WeightFormat::kF32,
                                       ReaderOf(checkpoint, plan_.spec()), backend_, nullptr);
    decoder_ = std::make_unique<Decoder>(plan_, std::move(weights), backend_, communicator_,
                                         DecoderOptions{.cache_pages = 4});
  }

  // Logits of every position, and the hidden states behind the final norm.
  void Run(const Json& tokens, Use use) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    Batch batch{
        .ids = tokens.get<std::vector<std::int32_t>>(),
        .sequences = {{.first_row = 0, .token_count = count, .start = 0, .page_table = {0}}},
        .logit_rows = {},
        .hidden_layer = plan_.spec().layer_count};
    if (use == Use::kTexts) {
      batch.logit_rows.resize(tokens.size());
      std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
    }
    logits_ = decoder_->Forward(batch);
  }

  TensorView logits() const { return logits_; }
  TensorView hidden() const { return decoder_->hidden(); }

 private:
  SelfCommunicator communicator_;
  ShardPlan plan_;
  Backend backend_;
  std::unique_ptr<Decoder> decoder_;
  TensorView logits_;
};

void ExpectRows(const TensorView& found, const Json& expected) {
  ASSERT_EQ(found.dim(0), static_cast<std::int64_t>(expected.size()));
  ASSERT_EQ(found.dim(1), static_cast<std::int64_t>(expected[0].size()));
  for (std::size_t row = 0; row < expected.size(); ++row)
    for (std::size_t i = 0; i < expected[row].size(); ++i)
      ASSERT_NEAR(found.data<float>()[row * expected[row].size() + i], expected[row][i],
                  kTolerance * std::max(1.0, std::abs(expected[row][i].get<double>())))
          << "row " << row << ", column " << i;
}

void ExpectGolden(const fs::path& folder, const Json& expected) {
  LoadedModel vectors(folder, Use::kVectors);
  vectors.Run(expected["tokens"], Use::kVectors);
  ExpectRows(vectors.hidden(), expected["hidden"]);
  if (expected["logits"].is_null()) {
    EXPECT_THAT(MessageOf([&] { LoadedModel(folder, Use::kTexts); }),
                AllOf(HasSubstr("has no LM head"), HasSubstr("`lockstep embed`"),
                      HasSubstr("for texts take a checkpoint of GPT")));
    return;
  }
  LoadedModel texts(folder, Use::kTexts);
  texts.Run(expected["tokens"], Use::kTexts);
  ExpectRows(texts.logits(), expected["logits"]);
}

class CheckpointForm : public testing::TestWithParam<std::string> {};

TEST_P(CheckpointForm, GivesWhatTransformersGives) {
  ExpectGolden(Golden(GetParam()), ExpectedOf(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, CheckpointForm,
                         testing::Values("tied_with_another_head", "tied_with_the_head_alone",
                                         "tied_without_a_head", "tied_gptj_model",
                                         "tied_gptj_with_the_head_alone", "neox_model",
                                         "gptj_model", "neox_classifier", "gptj_classifier",
                                         "neox_fp64", "gptj_fp64_bin", "gpt2_model", "gpt2_untied",
                                         "gpt2_state_dict_bin", "gpt2_with_the_head_alone",
                                         "gpt2_classifier", "gpt2_unscaled_scores"),
                         [](const auto& test) { return test.param; });

// The same checkpoint, its tensors renamed.
void CopyRenamed(const fs::path& from, const fs::path& to,
                 const std::function<std::string(const std::string&)>& rename) {
  fs::create_directories(to);
  fs::copy_file(from / "config.json", to / "config.json");
  const std::string file = ReadFile(from / "model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  const Json header = Json::parse(file.substr(8, length));
  Json renamed;
  for (const auto& [name, value] : header.items())
    renamed[name == "__metadata__" ? name : rename(name)] = value;
  WriteText(to / "model.safetensors", SafetensorsBytes(renamed.dump(), file.substr(8 + length)));
}

struct Prefixes {
  const char* golden;
  const char* removed;
  const char* added;
};

TEST(CheckpointNames, MayHaveOrLackTheBodysNameAndWrappersOfTheModel) {
  for (const Prefixes& prefixes : {
           Prefixes{"neox_model", "", "gpt_neox."},
           Prefixes{"neox_model", "", "module."},
           Prefixes{"neox_model", "", "module.gpt_neox."},
           Prefixes{"neox_model", "", "_orig_mod.module.gpt_neox."},
           Prefixes{"gptj_model", "", "transformer."},
           Prefixes{"gptj_model", "", "module.transformer."},
           Prefixes{"neox_classifier", "", "module."},
           Prefixes{"neox_classifier", "gpt_neox.", ""},
           Prefixes{"neox_fp64", "", "module."},
           Prefixes{"neox_fp64", "gpt_neox.", ""},
           Prefixes{"neox_fp64", "gpt_neox.", "module."},
           Prefixes{"tied_with_the_head_alone", "", "module."},
           Prefixes{"tied_with_another_head", "gpt_neox.", ""},
           Prefixes{"gpt2_model", "", "transformer."},
           Prefixes{"gpt2_model", "", "module."},
           Prefixes{"gpt2_untied", "transformer.", ""},
           Prefixes{"gpt2_with_the_head_alone", "transformer.", ""},
       }) {
    SCOPED_TRACE(std::string(prefixes.golden) + " with " + prefixes.added);
    const TemporaryFolder folder;
    const fs::path renamed = folder / "model";
    CopyRenamed(Golden(prefixes.golden), renamed, [&](const std::string& name) {
      const std::string_view removed = prefixes.removed;
      return prefixes.added + (name.starts_with(removed) ? name.substr(removed.size()) : name);
    });
    ExpectGolden(renamed, ExpectedOf(prefixes.golden));
  }
}

TEST(CheckpointNames, OfTheWholeModelGoBeforeOthersThatEndAlike) {
  const TemporaryFolder folder;
  const fs::path folder_of_two = folder / "model";
  // A copy under another name, as a reward model beside the policy: not the model's own.
  CopyRenamed(Golden("neox_fp64"), folder_of_two, [](const std::string& name) { return name; });
  const std::string file = ReadFile(folder_of_two / "model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  Json header = Json::parse(file.substr(8, length));
  const std::int64_t end = static_cast<std::int64_t>(file.size() - 8 - length);
  header["embedding_of_another.final_layer_norm.weight"] = {
      {"dtype", "F64"}, {"shape", {16}}, {"data_offsets", {end, end + 128}}};
  WriteText(folder_of_two / "model.safetensors",
            SafetensorsBytes(header.dump(), file.substr(8 + length) + std::string(128, 'x')));
  ExpectGolden(folder_of_two, ExpectedOf("neox_fp64"));
}

TEST(CheckpointNames, OfQuantisedWeightsAndAdaptersTellTheCause) {
  struct Foreign {
    const char* name;
    const char* says;
  };
  for (const Foreign& foreign : {
           Foreign{"gpt_neox.layers.0.attention.dense.qweight", "quantised by GPTQ or AWQ"},
           Foreign{"gpt_neox.layers.0.attention.dense.qzeros", "quantised by GPTQ or AWQ"},
           Foreign{"gpt_neox.layers.0.attention.dense.scales", "quantised by GPTQ or AWQ"},
           Foreign{"gpt_neox.layers.0.attention.dense.weight.absmax", "by bitsandbytes"},
           Foreign{"gpt_neox.layers.0.attention.dense.SCB", "by bitsandbytes"},
           Foreign{"gpt_neox.layers.0.attention.dense.weight.quant_state.bitsandbytes__nf4",
                   "by bitsandbytes"},
           Foreign{"gpt_neox.layers.0.attention.dense.weight_packed", "compressed-tensors"},
           Foreign{"base_model.model.gpt_neox.layers.0.attention.dense.lora_A.weight",
                   "part of an adapter (LoRA)"},
           Foreign{"gpt_neox.layers.0.attention.dense.base_layer.weight", "merge_and_unload()"},
       }) {
    const TemporaryFolder folder;
    CopyRenamed(Golden("neox_fp64"), folder / "model", [&](const std::string& name) {
      return name == "gpt_neox.layers.0.attention.dense.weight" ? foreign.name : name;
    });
    EXPECT_THAT(MessageOf([&] { LoadedModel(folder / "model", Use::kTexts); }),
                AllOf(HasSubstr(foreign.name), HasSubstr(foreign.says)));
  }
}

}  // namespace
}  // namespace lockstep
