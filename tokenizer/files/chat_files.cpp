#include "tokenizer/files/chat_files.h"

#include "core/error.h"
#include "core/files/file.h"
#include "tokenizer/files/tokenizer_folder.h"

namespace lockstep {
namespace {

constexpr std::string_view kConfig = "tokenizer_config.json";
constexpr std::string_view kKey = "chat_template";

void ReadTemplateFiles(const std::filesystem::path& folder, ChatFiles& chat) {
  const auto read = [&](const std::string& name, const std::filesystem::path& file) {
    chat.templates[name] = {.source = ReadFile(file), .where = file.string()};
  };
  const std::filesystem::path single = folder / "chat_template.jinja";
  if (FileExists(single)) read("default", single);
  const std::filesystem::path others = folder / "additional_chat_templates";
  if (!IsFolder(others)) return;
  constexpr std::string_view kEnd = ".jinja";
  for (const std::string& name : NamesIn(others))
    if (name.ends_with(kEnd)) read(name.substr(0, name.size() - kEnd.size()), others / name);
}

[[noreturn]] void Refuse(const std::string& where, const Json& found) {
  throw BadInput(
      "{}: \"chat_template\" is {}; expected a template's text, or a list of objects with \"name\" "
      "and \"template\"",
      where, ShownJson(found));
}

void ReadConfig(const TokenizerFiles& files, ChatFiles& chat) {
  const Json config = files.Object(kConfig);
  const auto found = config.find(kKey);
  if (found == config.end() || found->is_null()) return;
  const std::string where = files.Where(kConfig);
  const auto add = [&](const std::string& name, const Json& source) {
    if (!source.is_string()) Refuse(where, source);
    chat.templates[name] = {.source = source.get<std::string>(),
                            .where = where + ": chat_template"};
  };
  if (found->is_string()) return add("default", *found);
  if (!found->is_array()) Refuse(where, *found);
  for (const Json& one : *found) {
    if (!one.is_object() || !one.contains("template")) Refuse(where, one);
    const auto name = FindString(one, "name", where);
    if (!name) Refuse(where, one);
    add(*name, one["template"]);
  }
}

}  // namespace

ChatFiles ReadChatFiles(const std::filesystem::path& folder) {
  ChatFiles chat;
  if (!IsFolder(folder)) return chat;
  const TokenizerFiles files = ReadTokenizerFiles(folder);
  chat.special = SpecialTokenTexts(files);
  ReadTemplateFiles(folder, chat);
  if (chat.templates.empty()) ReadConfig(files, chat);
  return chat;
}

}  // namespace lockstep
