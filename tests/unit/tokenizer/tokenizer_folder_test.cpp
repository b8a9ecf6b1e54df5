#include "tokenizer/files/tokenizer_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/files/file.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"
#include "tests/unit/tokenizer/tiny_tokenizer.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// As a merge patch, but null stays as a value.
void Merge(Json& target, const Json& patch) {
  if (!target.is_object() || !patch.is_object()) {
    target = patch;
    return;
  }
  for (const auto& [key, value] : patch.items()) Merge(target[key], value);
}

// The files of a golden case: a tokenizer.json with its patch, or vocab.json and merges.txt.
TokenizerFiles FilesOf(const Json& golden) {
  TokenizerFiles files{.folder = "model", .texts = {}};
  if (golden["patch"].is_null()) {
    files.texts["vocab.json"] = DumpJson(TinyTokenizerJson()["model"]["vocab"]);
    files.texts["merges.txt"] = "#version: 0.2\na b\nab c\nĠ ab\n";
  } else {
    Json json = TinyTokenizerJson();
    Merge(json, golden["patch"]);
    files.texts["tokenizer.json"] = DumpJson(json);
  }
  for (const auto& [name, content] : golden["files"].items()) files.texts[name] = content;
  return files;
}

// The goldens as written: files are kept as text, because ids follow the order of their keys.
Json Goldens() {
  const auto path = SourceFolder() / "tests/golden/tokenizer_folders.json";
  return ParseJson(ReadFile(path), path.string());
}

TEST(TokenizerFolder, GivesTheIdsOfAutoTokenizer) {
  const Json goldens = Goldens();
  const auto texts = goldens["texts"].get<std::vector<std::string>>();
  EXPECT_GT(goldens["cases"].size(), 100u);
  for (const Json& golden : goldens["cases"]) {
    SCOPED_TRACE(golden["name"]);
    const Tokenizer tokenizer(ParseTokenizerFiles(FilesOf(golden)));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Ids ids = tokenizer.Encode(texts[i]);
      EXPECT_EQ(ids, golden["ids"][i].get<Ids>()) << texts[i];
      EXPECT_EQ(tokenizer.Decode(ids, SpecialTokens::kSkip), golden["without_special"][i])
          << texts[i];
    }
  }
}

TEST(TokenizerFolder, IsReadFromItsFilesAndAFileAloneIsTakenAsItIs) {
  const TemporaryFolder folder;
  WriteText(folder / "tokenizer.json", DumpJson(TinyTokenizerJson()));
  WriteText(folder / "config.json", R"({"model_type": "gptj"})");
  WriteText(folder / "tokenizer_config.json", R"({"add_prefix_space": true, "pad_token": "[P]"})");
  EXPECT_EQ(Tokenizer::Load(folder.path()).Encode("ab[P]"), (Ids{258, 260}));
  EXPECT_EQ(Tokenizer::Load(folder / "tokenizer.json").Encode("ab[P]"), (Ids{256, '[', 'P', ']'}));
}

TEST(TokenizerFolder, NamesTheFileThatCannotBeUsed) {
  const auto message = [](const char* file, const char* text) {
    TokenizerFiles files{.folder = "model", .texts = {}};
    files.texts["tokenizer.json"] = DumpJson(TinyTokenizerJson());
    files.texts[file] = text;
    return MessageOf([&] { Tokenizer{ParseTokenizerFiles(files)}; });
  };
  EXPECT_THAT(message("tokenizer_config.json", "[]"),
              AllOf(HasSubstr("model/tokenizer_config.json"), HasSubstr("object was expected")));
  EXPECT_THAT(message("tokenizer_config.json", R"({"add_prefix_space": 1, "tokenizer_class":
                                                   "GPT2Tokenizer"})"),
              HasSubstr("\"add_prefix_space\" is 1; expected true or false"));
  EXPECT_THAT(message("added_tokens.json", R"({"<x>": "5"})"),
              AllOf(HasSubstr("model/added_tokens.json"), HasSubstr("<x>")));
  EXPECT_THAT(message("special_tokens_map.json", R"({"pad_token": 5})"),
              AllOf(HasSubstr("model/special_tokens_map.json"), HasSubstr("pad_token")));
  EXPECT_THAT(message("tokenizer_config.json", R"({"extra_special_tokens": 5})"),
              AllOf(HasSubstr("extra_special_tokens"), HasSubstr("expected a list")));
}

TEST(TokenizerFolder, RefusesAPipeInPlaceOfAFile) {
  const TemporaryFolder folder;
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "added_tokens.json"}) {
    ASSERT_EQ(::mkfifo((folder / file).c_str(), 0600), 0);
    EXPECT_THAT(MessageOf([&] { Tokenizer::Load(folder.path()); }),
                AllOf(HasSubstr(file), HasSubstr("is a pipe (FIFO); expected a file")));
    std::filesystem::remove(folder / file);
    WriteText(folder / "tokenizer.json", DumpJson(TinyTokenizerJson()));
  }
}

}  // namespace
}  // namespace lockstep
