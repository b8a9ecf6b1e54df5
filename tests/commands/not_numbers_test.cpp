// A checkpoint with a NaN in it: the texts that meet it are named, the others are computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// Writes one number over the first element of a row of a matrix of model.safetensors.
void Damage(const std::filesystem::path& file, const std::string& tensor, std::int64_t row,
            std::uint16_t value) {
  std::string bytes = ReadFile(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const Json entry = ParseJson(bytes.substr(8, header), "header").at(tensor);
  const std::uint64_t width = entry.at("shape").at(1);
  const std::uint64_t begin = entry.at("data_offsets").at(0);
  const std::uint64_t at = 8 + header + begin + 2 * width * static_cast<std::uint64_t>(row);
  ASSERT_EQ(entry.at("dtype"), "F16");
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  WriteText(file, bytes);
}

class NotNumbers : public testing::TestWithParam<std::uint16_t> {
 protected:
  NotNumbers() {
    Damage(std::filesystem::path(model_) / "model.safetensors", kTable, 'Z' - '!', GetParam());
  }

  Outcome Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin() + 1, {"--model", model_, "--threads", "1"});
    return RunLockstep(arguments);
  }
  std::string Input(const std::string& text) const {
    WriteText(folder_ / "in.jsonl", text);
    return folder_ / "in.jsonl";
  }
  std::string Path(const std::string& name) const { return folder_ / name; }

  static constexpr const char* kTable = "transformer.wte.weight";

 private:
  TemporaryFolder folder_;
  std::string model_ = CopyModel("gptj_saved_single", folder_.path(), 90);
};

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(ParseJson(line, "output"));
  return lines;
}

// Few sequences at a time, so that the pages of damaged texts are used again.
TEST_P(NotNumbers, GenerateGivesAnErrorRecordAndGoesOnWithTheOthers) {
  std::string good, mixed;
  for (int i = 0; i < 12; ++i) {
    const std::string text(static_cast<std::size_t>(3 + 5 * i % 13), static_cast<char>('a' + i));
    const std::string line =
        fmt::format("{{\"id\": {0}, \"prompt\": \"{1}\", \"temperature\": {2}}}\n", i, text, i % 2);
    const std::string bad =
        fmt::format("{{\"id\": {0}, \"prompt\": \"{1}Z\", \"temperature\": {2}, \"top_p\": 0.9}}\n",
                    100 + i, text + text, i % 2);
    good += line;
    mixed += bad + line;
  }
  const std::vector<std::string> flags{
      "--max-new-tokens", "9", "--ignore-eos", "--set", "engine.max_sequences=2", "--seed", "5"};
  const auto generate = [&](const std::string& input) {
    std::vector<std::string> command{"generate", "--input", Input(input)};
    command.insert(command.end(), flags.begin(), flags.end());
    return Run(command);
  };
  const Outcome alone = generate(good), both = generate(mixed);
  ASSERT_EQ(alone.exit_code, 0) << alone.errors;
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.errors, HasSubstr("12 of 24 lines could not be used"));
  EXPECT_THAT(both.errors, HasSubstr("in.jsonl:1: the model's logits are not numbers"));
  EXPECT_THAT(both.errors, HasSubstr("--dtype fp32"));
  const std::vector<Json> expected = Lines(alone.output), found = Lines(both.output);
  ASSERT_EQ(found.size(), 24u);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(found[2 * i]["id"], 100 + i);
    EXPECT_THAT(found[2 * i].value("error", ""), HasSubstr("are not numbers"));
    EXPECT_FALSE(found[2 * i].contains("text"));
    if (i % 2 == 0) {  // the others have another random stream at another line
      EXPECT_EQ(found[2 * i + 1], expected[i]);
    }
    EXPECT_EQ(found[2 * i + 1]["tokens"].size(), 9u);
  }
}

TEST_P(NotNumbers, APromptEndsWithTheReason) {
  const Outcome run = Run({"generate", "--prompt", "abZ"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("--prompt: the model's logits are not numbers"));
}

TEST_P(NotNumbers, BeamSearchAndSamplesGiveAnErrorRecord) {
  const Outcome run =
      Run({"generate", "--input",
           Input("{\"prompt\": \"aZ\", \"num_beams\": 3}\n{\"prompt\": \"Z\", \"n\": 3, "
                 "\"temperature\": 1}\n{\"prompt\": \"b\", \"num_beams\": 3}\n"),
           "--max-new-tokens", "5"});
  EXPECT_EQ(run.exit_code, 2);
  const std::vector<Json> found = Lines(run.output);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_TRUE(found[0].contains("error"));
  EXPECT_TRUE(found[1].contains("error"));
  EXPECT_TRUE(found[2].contains("text"));
}

TEST_P(NotNumbers, ScoreAndEmbedWriteNoNulls) {
  const std::string input =
      Input("{\"text\": \"abc\"}\n{\"text\": \"aZc\"}\n{\"text\": \"bcd\"}\n");
  for (const std::string command : {"score", "embed"}) {
    const Outcome run = Run({command, "--input", input});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.errors, HasSubstr("1 of 3 lines could not be used"));
    EXPECT_THAT(run.errors, HasSubstr("in.jsonl:2: the model's"));
    const std::vector<Json> found = Lines(run.output);
    ASSERT_EQ(found.size(), 3u);
    const char* const numbers = command == "score" ? "logprobs" : "embedding";
    EXPECT_TRUE(found[0].contains(numbers));
    EXPECT_THAT(found[1].value("error", ""), HasSubstr("are not numbers"));
    EXPECT_TRUE(found[2].contains(numbers));
  }
  const Outcome npy = Run({"embed", "--input", input, "--output", Path("out.npy")});
  EXPECT_EQ(npy.exit_code, 2);
  EXPECT_THAT(npy.errors, HasSubstr("no room"));
  for (const char* left : {"out.npy", "out.npy.partial", "out.npy.journal"})
    EXPECT_FALSE(std::filesystem::exists(Path(left))) << left;
}

constexpr std::uint16_t kNan = 0x7e00, kInfinity = 0x7c00;  // fp16
INSTANTIATE_TEST_SUITE_P(Values, NotNumbers, testing::Values(kNan, kInfinity),
                         [](const auto& one) { return one.param == kNan ? "Nan" : "Infinity"; });

class NoTokenIsLeft : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string model_ = CopyModel("gptj_saved_single", folder_.path(), 90);
};

TEST_F(NoTokenIsLeft, IsAnErrorRecordOfThatLine) {
  Json all = Json::array(), but_one = Json::array();
  for (int id = 0; id < 90; ++id) {
    all.push_back(id);
    if (id != 40) but_one.push_back(id);
  }
  const std::vector<Json> controls{
      {{"banned_token_ids", all}},
      {{"banned_token_ids", all}, {"temperature", 1.0}},
      {{"banned_token_ids", all}, {"temperature", 1.0}, {"top_p", 0.5}, {"logprobs", 2}},
      {{"banned_token_ids", but_one}, {"stop_token_ids", {40}}, {"min_tokens", 3}},
      {{"banned_token_ids", all}, {"top_k", 5}, {"temperature", 0.7}, {"repetition_penalty", 1.2}},
      {{"banned_token_ids", all}, {"min_p", 0.1}, {"temperature", 0.7}, {"n", 2}},
  };
  std::string input;
  for (Json control : controls) {
    control["prompt"] = "ab";
    input += control.dump() + "\n{\"prompt\": \"cd\", \"temperature\": 1}\n";
  }
  WriteText(folder_ / "in.jsonl", input);
  const Outcome run = RunLockstep({"generate", "--model", model_, "--input", folder_ / "in.jsonl",
                                   "--max-new-tokens", "6", "--ignore-eos", "--threads", "1"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("6 of 12 lines could not be used"));
  const std::vector<Json> found = Lines(run.output);
  ASSERT_EQ(found.size(), 12u);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].contains("error"), i % 2 == 0) << found[i];
    if (i % 2 == 0) {
      EXPECT_THAT(found[i].value("error", ""), HasSubstr("no token is left"));
    }
  }
}

}  // namespace
}  // namespace lockstep
