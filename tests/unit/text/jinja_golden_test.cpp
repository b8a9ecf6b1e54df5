#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

#include "core/error.h"
#include "core/files/file.h"
#include "tests/support/test_data.h"
#include "text/jinja/template.h"

// Chat templates and pieces of Jinja against transformers (tests/golden/make_chat_goldens.py).

namespace lockstep::jinja {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson ReadGolden(const std::string& name) {
  return OrderedJson::parse(ReadFile(SourceFolder() / "tests/golden/chat" / name));
}

void SetAll(const OrderedJson& object, Dict& variables) {
  for (const auto& [name, value] : object.items())
    variables.Set(Value(name), Value::FromJson(value));
}

// Noon of 5 March 2026, local time, as in the goldens.
std::chrono::system_clock::time_point Noon() {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 2;
  time.tm_mday = 5;
  time.tm_hour = 12;
  time.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&time));
}

// "error: ..." where it is refused.
std::string Rendered(const std::string& source, const Dict& variables) {
  try {
    return Template(source, "chat template").Render(variables, {}, Noon());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput);
    EXPECT_THAT(error.what(), testing::StartsWith("chat template, line "));
    return std::string("error: ") + error.what();
  }
}

void ExpectAsGolden(const OrderedJson& golden, const std::string& found, const std::string& what) {
  if (golden.contains("text"))
    EXPECT_EQ(found, golden["text"].get<std::string>()) << what;
  else
    EXPECT_THAT(found, testing::StartsWith("error: ")) << what << golden["error"];
}

TEST(JinjaGolden, RendersEachPieceAsTransformersDoes) {
  const OrderedJson golden = ReadGolden("snippets.json");
  Dict variables;
  SetAll(golden["variables"], variables);
  ASSERT_GT(golden["cases"].size(), 200U);
  for (const auto& one : golden["cases"]) {
    const std::string source = one["source"];
    ExpectAsGolden(one, Rendered(source, variables), source);
  }
}

TEST(JinjaGolden, RendersChatTemplatesOfManyModelsAsTransformersDoes) {
  const OrderedJson golden = ReadGolden("templates.json");
  ASSERT_GT(golden["cases"].size(), 800U);
  for (const auto& one : golden["cases"]) {
    const std::string name = one["template"], conversation = one["conversation"];
    Dict variables;
    variables.Set(Value("tools"), Value(None{}));
    variables.Set(Value("documents"), Value(None{}));
    SetAll(golden["special"], variables);
    SetAll(golden["conversations"][conversation], variables);
    SetAll(golden["kwargs"][one["kwargs"].get<std::size_t>()], variables);
    const std::string found = Rendered(golden["templates"][name], variables);
    ExpectAsGolden(one, found, name + " with " + conversation);
  }
}

TEST(JinjaGolden, SaysWhatATemplateRaises) {
  const OrderedJson golden = ReadGolden("templates.json");
  Dict variables;
  SetAll(golden["special"], variables);
  SetAll(golden["conversations"]["twice"], variables);
  EXPECT_THAT(
      Rendered(golden["templates"]["mistral"], variables),
      testing::EndsWith("Conversation roles must alternate user/assistant/user/assistant/..."));
}

}  // namespace
}  // namespace lockstep::jinja
