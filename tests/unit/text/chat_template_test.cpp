#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/files/file.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"
#include "tokenizer/files/chat_files.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {
namespace {

using OrderedJson = nlohmann::ordered_json;
using testing::HasSubstr;

ChatTemplate Templated(const std::string& source) { return ChatTemplate(source, {}); }

Chat Said(const std::string& messages) { return {.messages = OrderedJson::parse(messages)}; }

// A tokenizer's folder with these files beside the tokenizer.json of a bundled model.
void WriteTo(const TemporaryFolder& folder, const OrderedJson& files) {
  std::filesystem::create_directories(folder / "additional_chat_templates");
  std::filesystem::copy(SourceFolder() / "models/shakespeare-neox/tokenizer.json", folder.path());
  std::ofstream(folder / "config.json") << R"({"model_type": "gpt_neox"})";
  for (const auto& [name, text] : files.items())
    std::ofstream(folder / name) << text.get<std::string>();
}

Chat AskedFor(const OrderedJson& asked) {
  Chat chat{.messages = asked["messages"],
            .add_generation_prompt = asked["add_generation_prompt"].get<bool>(),
            .continue_final_message = asked.value("continue_final_message", false)};
  if (asked.contains("kwargs")) chat.variables = asked["kwargs"];
  return chat;
}

// The text, or "refused".
std::string PromptOf(const std::filesystem::path& folder, const OrderedJson& asked) {
  const ChatFiles files = ReadChatFiles(folder);
  const auto found = files.templates.find("default");
  if (found == files.templates.end()) return "refused";
  try {
    return ChatTemplate(found->second.source, files.special).Render(AskedFor(asked));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    return "refused";
  }
}

TEST(ChatTemplate, MakesThePromptsThatTransformersMakesOfTheSameFiles) {
  const auto golden =
      OrderedJson::parse(ReadFile(SourceFolder() / "tests/golden/chat/prompts.json"));
  ASSERT_GT(golden["cases"].size(), 40U);
  for (const auto& one : golden["cases"]) {
    const std::string name = one["folder"];
    const TemporaryFolder folder;
    WriteTo(folder, golden["folders"][name]);
    const std::string text =
        PromptOf(folder.path(), golden["asked"][one["asked"].get<std::size_t>()]);
    EXPECT_EQ(text, one.value("text", std::string("refused"))) << name << one["asked"];
    if (!one.contains("tokens")) continue;
    EXPECT_EQ(Tokenizer::Load(folder.path()).Encode(text),
              one["tokens"].get<std::vector<std::int32_t>>())
        << name << one["asked"];
  }
}

TEST(ChatTemplate, RefusesMessagesThatAreNone) {
  const ChatTemplate any = Templated("{{ messages }}");
  for (const char* messages : {"[]", "{}", "[5]"})
    EXPECT_THAT(MessageOf([&] { any.Render(Said(messages)); }), HasSubstr("messages")) << messages;
}

TEST(ChatTemplate, KnowsWhetherItGoesThroughTheParts) {
  EXPECT_TRUE(
      Templated("{% for m in messages %}{%- for p in m['content'] -%}{% endfor %}{% endfor %}")
          .takes_parts());
  EXPECT_TRUE(Templated("{% for part in content if part %}{% endfor %}").takes_parts());
  EXPECT_FALSE(Templated("{% for m in messages %}{{ m.content }}{% endfor %}").takes_parts());
}

TEST(ChatFiles, RefuseATemplateThatIsNoText) {
  for (const char* value : {"5", "[5]", "[{\"name\": \"default\"}]", "[{\"template\": \"x\"}]",
                            "[{\"name\": \"a\", \"template\": 5}]"}) {
    const TemporaryFolder folder;
    WriteTo(folder, {{"tokenizer_config.json", std::string("{\"chat_template\": ") + value + "}"}});
    EXPECT_THAT(MessageOf([&] { ReadChatFiles(folder.path()); }), HasSubstr("\"chat_template\" is"))
        << value;
  }
}

TEST(ChatFiles, AreNotBesideATokenizerThatIsOneFile) {
  const ChatFiles files = ReadChatFiles(SourceFolder() / "models/shakespeare-neox/tokenizer.json");
  EXPECT_TRUE(files.templates.empty());
  EXPECT_TRUE(files.special.empty());
}

}  // namespace
}  // namespace lockstep
