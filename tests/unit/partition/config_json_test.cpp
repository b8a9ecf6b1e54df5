#include "partition/model/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/known_models.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// As published, with the fields that say nothing about the result.
constexpr const char* kPythia70m = R"({
  "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0,
  "hidden_act": "gelu", "hidden_size": 512, "initializer_range": 0.02, "intermediate_size": 2048,
  "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neox",
  "num_attention_heads": 8, "num_hidden_layers": 6, "rotary_emb_base": 10000, "rotary_pct": 0.25,
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.24.0",
  "use_cache": true, "use_parallel_residual": true, "vocab_size": 50304})";

constexpr const char* kNeoX20b = R"({
  "architectures": ["GPTNeoXForCausalLM"], "attention_probs_dropout_prob": 0, "bos_token_id": 0,
  "eos_token_id": 0, "hidden_act": "gelu_fast", "hidden_dropout_prob": 0, "hidden_size": 6144,
  "initializer_range": 0.02, "intermediate_size": 24576, "layer_norm_eps": 1e-05,
  "max_position_embeddings": 2048, "model_type": "gpt_neox", "num_attention_heads": 64,
  "num_hidden_layers": 44, "rotary_emb_base": 10000, "rotary_pct": 0.25,
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.19.0.dev0",
  "use_cache": true, "vocab_size": 50432})";

constexpr const char* kGptJ6b = R"({
  "activation_function": "gelu_new", "architectures": ["GPTJForCausalLM"], "attn_pdrop": 0.0,
  "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256, "gradient_checkpointing": false,
  "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gptj", "n_embd": 4096,
  "n_head": 16, "n_inner": null, "n_layer": 28, "n_positions": 2048, "resid_pdrop": 0.0,
  "rotary": true, "rotary_dim": 64, "scale_attn_weights": true, "summary_activation": null,
  "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
  "summary_use_proj": true,
  "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50,
                                               "temperature": 1.0}},
  "tie_word_embeddings": false, "tokenizer_class": "GPT2Tokenizer",
  "transformers_version": "4.18.0.dev0", "use_cache": true, "vocab_size": 50400})";

// As published: GPT-2's small one.
constexpr const char* kGpt2 = R"({
  "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
  "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
  "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
  "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null,
  "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
  "summary_use_proj": true,
  "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
  "vocab_size": 50257})";

// As transformers 5 writes it.
constexpr const char* kNewNeoX = R"({
  "architectures": ["GPTNeoXForCausalLM"], "attention_bias": true, "attention_dropout": 0.0,
  "bos_token_id": 0, "classifier_dropout": 0.1, "dtype": "bfloat16", "eos_token_id": 2,
  "hidden_act": "gelu", "hidden_size": 320, "intermediate_size": 640, "is_decoder": false,
  "layer_norm_eps": 1e-06, "max_position_embeddings": 64, "model_type": "gpt_neox",
  "num_attention_heads": 4, "num_hidden_layers": 3, "pad_token_id": null,
  "rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 25000.0,
                      "rope_type": "default"},
  "tie_word_embeddings": false, "transformers_version": "5.0.0", "use_parallel_residual": false,
  "vocab_size": 127})";

// The text of `config` with the members of `patch` replaced; null removes one.
std::string Patched(const char* config, const char* patch) {
  Json object = Json::parse(config);
  object.merge_patch(Json::parse(patch));
  return object.dump();
}

ModelSpec Parse(const std::string& text) { return ParseConfigJson(text, "config.json"); }

std::string ErrorOf(const std::string& text) {
  try {
    Parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    return error.what();
  }
  return "";
}

TEST(ConfigJson, ReadsPythia) { EXPECT_EQ(Parse(kPythia70m), Pythia(6, 512, 8)); }

TEST(ConfigJson, ReadsGptNeoX20bWithItsTanhGelu) {
  const ModelSpec spec = Parse(kNeoX20b);
  EXPECT_EQ(spec.gelu, GeluKind::kTanh);
  EXPECT_EQ(spec.d_ff, 24576);
  EXPECT_EQ(spec.rotary_dims, 24);
  EXPECT_TRUE(spec.parallel_residual) << "the default, where the file says nothing";
  EXPECT_TRUE(spec.attention_bias);
}

// What transformers takes for fields that a file leaves out.
TEST(ConfigJson, KnowsTheDefaultsOfTheRotaryFamilies) {
  const ModelSpec gptj =
      Parse(Patched(kGptJ6b, R"({"layer_norm_epsilon": null, "activation_function": null,
                   "tie_word_embeddings": null})"));
  EXPECT_EQ(gptj.norm_epsilon, 1e-5);
  EXPECT_EQ(gptj.gelu, GeluKind::kTanh);
  EXPECT_EQ(gptj.d_ff, 4 * 4096);
  const ModelSpec neox = Parse(
      Patched(kPythia70m, R"({"layer_norm_eps": null, "hidden_act": null, "rotary_emb_base": null,
                      "rotary_pct": null, "use_parallel_residual": null})"));
  EXPECT_EQ(neox.norm_epsilon, 1e-5);
  EXPECT_EQ(neox.gelu, GeluKind::kExact);
  EXPECT_EQ(neox.rope.base, 10000.0);
  EXPECT_EQ(neox.rotary_dims, 16);
  EXPECT_TRUE(neox.parallel_residual);
}

TEST(ConfigJson, ReadsGptJ) { EXPECT_EQ(Parse(kGptJ6b), GptJ6B()); }

TEST(ConfigJson, ReadsGpt2AndItsDefaults) {
  const ModelSpec expected = Gpt2(12, 768, 12);
  EXPECT_EQ(Parse(kGpt2), expected);
  EXPECT_EQ(Parse(Patched(kGpt2, R"({"activation_function": null, "layer_norm_epsilon": null})")),
            expected);
  // Scores are in fp32 whatever this says.
  EXPECT_EQ(Parse(Patched(kGpt2, R"({"reorder_and_upcast_attn": true})")), expected);
}

TEST(ConfigJson, ReadsWhatGpt2MayHaveOtherwise) {
  const ModelSpec spec = Parse(
      Patched(kGpt2, R"({"n_inner": 1000, "tie_word_embeddings": false, "scale_attn_weights": false,
                         "scale_attn_by_inverse_layer_idx": true, "layer_norm_epsilon": 1e-3,
                         "activation_function": "gelu", "n_embd": null, "hidden_size": 96})"));
  EXPECT_EQ(spec.d_model, 96);
  EXPECT_EQ(spec.d_ff, 1000);
  EXPECT_FALSE(spec.tied_embeddings);
  EXPECT_EQ(spec.scores, (ScoreScale{.by_width = false, .by_layer = true}));
  EXPECT_EQ(spec.norm_epsilon, 1e-3);
  EXPECT_EQ(spec.gelu, GeluKind::kExact);
}

TEST(ConfigJson, ReadsWhatTransformers5Writes) {
  const ModelSpec spec = Parse(kNewNeoX);
  EXPECT_EQ(spec.rope.base, 25000.0);
  EXPECT_EQ(spec.rotary_dims, 40);
  EXPECT_EQ(spec.norm_epsilon, 1e-6);
  EXPECT_FALSE(spec.parallel_residual);
}

// Which numbers come of it is compared with transformers in
// tests/unit/layers/rotary_table_test.cpp.
TEST(ConfigJson, ReadsTheRotaryNumbersOfGptNeoXAndNotThoseOfOtherFamilies) {
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_emb_base": 500})")).rope.base, 500.0);
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_emb_base": 500, "rope_theta": 600})")).rope.base,
            500.0);
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_emb_base": null, "rope_theta": 600})")).rope.base,
            10000.0);
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_pct": null, "partial_rotary_factor": 0.5})"))
                .rotary_dims,
            16);
}

TEST(ConfigJson, TakesTheRotaryDimsThatGptJHasByDefault) {
  EXPECT_EQ(Parse(Patched(kGptJ6b, R"({"rotary_dim": null})")).rotary_dims, 64);
}

TEST(ConfigJson, RoundsRotaryDimsDownAsTransformersDoes) {
  // Pythia 2.8B: a quarter of 80.
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"hidden_size": 640})")).rotary_dims, 20);
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_pct": 1.0})")).rotary_dims, 64);
  EXPECT_EQ(Parse(Patched(kPythia70m, R"({"rotary_pct": 0.0})")).rotary_dims, 0);
}

TEST(ConfigJson, ReadsTheNewNamesOfGptJ) {
  const ModelSpec spec = Parse(Patched(
      kGptJ6b, R"({"n_embd": null, "hidden_size": 2048, "n_head": null, "num_attention_heads": 8,
                   "n_layer": null, "num_hidden_layers": 2, "n_positions": null,
                   "max_position_embeddings": 128})"));
  EXPECT_EQ(spec.d_model, 2048);
  EXPECT_EQ(spec.head_count, 8);
  EXPECT_EQ(spec.layer_count, 2);
  EXPECT_EQ(spec.context_tokens, 128);
  EXPECT_EQ(spec.d_ff, 8192);
}

TEST(ConfigJson, ReadsAFeedForwardWidthOfItsOwn) {
  EXPECT_EQ(Parse(Patched(kGptJ6b, R"({"n_inner": 1000})")).d_ff, 1000);
}

TEST(ConfigJson, ReadsAllSpellingsOfGelu) {
  for (const char* name : {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"})
    EXPECT_EQ(
        Parse(Patched(kPythia70m, fmt::format(R"({{"hidden_act": "{}"}})", name).c_str())).gelu,
        GeluKind::kTanh)
        << name;
  EXPECT_EQ(Parse(Patched(kGptJ6b, R"({"activation_function": "gelu"})")).gelu, GeluKind::kExact);
}

TEST(ConfigJson, ReadsSwitchesOff) {
  EXPECT_FALSE(Parse(Patched(kPythia70m, R"({"attention_bias": false})")).attention_bias);
  EXPECT_TRUE(Parse(Patched(kPythia70m, R"({"tie_word_embeddings": true})")).tied_embeddings);
}

struct Refusal {
  const char* name;
  const char* config;
  const char* patch;
  const char* message;
};

class RefusedConfig : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedConfig, NamesTheFileTheFieldAndWhatIsSupported) {
  const std::string message = ErrorOf(Patched(GetParam().config, GetParam().patch));
  EXPECT_THAT(message, testing::StartsWith("config.json: "));
  EXPECT_THAT(message, testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    ConfigJson, RefusedConfig,
    testing::Values(
        Refusal{"UnknownArchitecture", kPythia70m, R"({"model_type": "llama"})",
                "model_type \"llama\" is not supported; expected \"gptj\" (GPT-J), "
                "\"gpt_neox\" (GPT-NeoX, Pythia) or \"gpt2\" (GPT-2)"},
        Refusal{"NoArchitecture", kPythia70m, R"({"model_type": null})",
                "names no model_type; expected \"gptj\" (GPT-J)"},
        Refusal{"MissingWidth", kPythia70m, R"({"hidden_size": null})",
                "\"hidden_size\" is missing; expected an integer"},
        Refusal{"MissingHeads", kGptJ6b, R"({"n_head": null})", "\"n_head\" is missing"},
        Refusal{"TextForANumber", kPythia70m, R"({"hidden_size": "512"})",
                "\"hidden_size\" is \"512\"; expected an integer"},
        Refusal{"FractionForACount", kPythia70m, R"({"num_hidden_layers": 6.5})",
                "\"num_hidden_layers\" is 6.5; expected an integer"},
        Refusal{"NumberForASwitch", kPythia70m, R"({"use_parallel_residual": 1})",
                "\"use_parallel_residual\" is 1; expected true or false"},
        Refusal{"OtherActivation", kPythia70m, R"({"hidden_act": "relu"})",
                "activation \"relu\" is not supported"},
        Refusal{"OtherActivationOfGptJ", kGptJ6b, R"({"activation_function": "silu"})",
                "activation \"silu\" is not supported"},
        Refusal{"OtherActivationOfGpt2", kGpt2, R"({"activation_function": "relu"})",
                "activation \"relu\" is not supported"},
        Refusal{"AnEncodersStates", kGpt2, R"({"add_cross_attention": true})",
                "\"add_cross_attention\" is true"},
        Refusal{"MissingPositions", kGpt2, R"({"n_positions": null})",
                "\"n_positions\" is missing"},
        Refusal{"HeadsOfGpt2ThatDoNotDivide", kGpt2, R"({"n_head": 7})",
                "hidden size 768 does not divide over 7 attention heads"},
        Refusal{"Gptq", kPythia70m,
                R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})",
                "\"quantization_config\" names \"gptq\": the model is meant to be quantised"},
        Refusal{"BitsAndBytesOfOldVersions", kGptJ6b,
                R"({"quantization_config": {"load_in_8bit": true}})", "names \"bitsandbytes\""},
        Refusal{"CompressedTensors", kPythia70m, R"({"compression_config": {"format": "x"}})",
                "\"compression_config\" names \"no method\""},
        Refusal{"UnknownRotary", kPythia70m, R"({"rope_scaling": {"type": "longrope"}})",
                "rotary embeddings of type \"longrope\" are not supported; expected"},
        Refusal{"UnknownNewRotary", kNewNeoX, R"({"rope_parameters": {"rope_type": "ntk"}})",
                "rotary embeddings of type \"ntk\" are not supported"},
        Refusal{"LinearWithoutAFactor", kPythia70m, R"({"rope_scaling": {"type": "linear"}})",
                "type \"linear\" need \"factor\""},
        Refusal{"LinearByNothing", kPythia70m,
                R"({"rope_scaling": {"type": "linear", "factor": 0}})",
                "the rotary \"factor\" is 0; expected a positive number"},
        Refusal{"Llama3WithoutItsFactors", kPythia70m,
                R"({"rope_scaling": {"type": "llama3", "factor": 2}})", "need \"low_freq_factor\""},
        Refusal{"Llama3WithFactorsSwapped", kPythia70m,
                R"({"rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4,
                                     "high_freq_factor": 1}})",
                "\"high_freq_factor\" is 1; expected more than low_freq_factor, 4"},
        Refusal{"YarnWithoutAContext", kPythia70m,
                R"({"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 0}})",
                "original_max_position_embeddings is 0"},
        Refusal{"YarnWithABaseOfOne", kPythia70m,
                R"({"rope_scaling": {"type": "yarn", "factor": 2, "rope_theta": 1}})",
                "rotary base is 1; expected more than 1"},
        Refusal{"DynamicWithOnePair", kPythia70m,
                R"({"rope_scaling": {"type": "dynamic", "factor": 2}, "rotary_pct": 0.03125})",
                "need more than 2 dims"},
        Refusal{"WideRotaryHead", kPythia70m, R"({"head_dim": 65})",
                "\"head_dim\" is 65; expected 64"},
        Refusal{"RotaryIsNoObject", kPythia70m, R"({"rope_scaling": [1]})",
                "\"rope_scaling\" is [1]; expected an object"},
        Refusal{"RotaryFraction", kPythia70m, R"({"rotary_pct": 1.5})",
                "the rotary fraction is 1.5; expected 0 to 1"},
        Refusal{"OddRotaryDims", kGptJ6b, R"({"rotary_dim": 63})", "expected an even number"},
        Refusal{"RotaryPastTheHead", kGptJ6b, R"({"rotary_dim": 258})",
                "the number of rotary dims is 258; expected 0 to 256"},
        Refusal{"HeadsThatDoNotDivide", kPythia70m, R"({"num_attention_heads": 7})",
                "hidden size 512 does not divide over 7 attention heads"},
        Refusal{"NoHeads", kPythia70m, R"({"num_attention_heads": 0})",
                "the number of attention heads is 0; expected 1 to"},
        Refusal{"NoLayers", kPythia70m, R"({"num_hidden_layers": 0})",
                "the number of layers is 0; expected 1 to"},
        Refusal{"NegativeVocabulary", kPythia70m, R"({"vocab_size": -1})",
                "the vocabulary size is -1; expected 1 to"},
        Refusal{"EndlessContext", kPythia70m, R"({"max_position_embeddings": 9000000000})",
                "the context length is 9000000000; expected 1 to"},
        Refusal{"ZeroEpsilon", kPythia70m, R"({"layer_norm_eps": 0})",
                "layer norm epsilon is 0; expected"},
        Refusal{"ZeroRotaryBase", kPythia70m, R"({"rotary_emb_base": 0})",
                "rotary base is 0; expected a positive number"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ConfigJson, RefusesWhatIsNoJsonObject) {
  EXPECT_THAT(ErrorOf(""), testing::StartsWith("config.json: not valid JSON at byte "));
  EXPECT_THAT(ErrorOf("{\"model_type\": "), testing::StartsWith("config.json: not valid JSON"));
  EXPECT_EQ(ErrorOf("[]"), "config.json: expected a JSON object");
  EXPECT_THAT(ErrorOf(R"({"model_type": "gptj", "model_type": "gpt_neox"})"),
              testing::HasSubstr("stands twice"));
}

TEST(LoadModelSpec, NamesTheFileItReads) {
  const TemporaryFolder folder;
  const std::string file = folder / "config.json";
  EXPECT_THROW(
      try { LoadModelSpec(folder.path()); } catch (const Error& error) {
        EXPECT_EQ(error.what(), file + ": no such file: \"" + folder.path().string() +
                                    "\" is no model's folder; give one with config.json, the "
                                    "weights and a tokenizer");
        throw;
      },
      Error);
  WriteText(file, kGptJ6b);
  EXPECT_EQ(LoadModelSpec(folder.path()).family, Family::kGptJ);
}

}  // namespace
}  // namespace lockstep
