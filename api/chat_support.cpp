#include "api/chat_support.h"

#include "core/error.h"
#include "core/files/file.h"
#include "tokenizer/files/chat_files.h"

namespace lockstep {
namespace {

std::string NamesOf(const ChatFiles& files) {
  std::string names;
  for (const auto& [name, one] : files.templates) names += (names.empty() ? "" : ", ") + name;
  return names;
}

// Clients are told nothing of files.
ChatSupport OfFiles(const ChatFiles& files) {
  if (files.templates.empty()) return {};
  const auto found = files.templates.find("default");
  if (found == files.templates.end())
    return {.why_not = fmt::format("none of the model's chat templates ({}) is the default one",
                                   NamesOf(files))};
  try {
    return {.chat_template = ChatTemplate(found->second.source, files.special)};
  } catch (const Error& error) {
    return {.why_not = fmt::format("the model's template cannot be used: {}", error.what()),
            .warning = fmt::format("{}: {}; chats are refused", found->second.where, error.what())};
  }
}

ChatSupport OfFile(const std::string& file, const ChatFiles& files) {
  const std::string source = ReadFile(file);
  try {
    return {.chat_template = ChatTemplate(source, files.special)};
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("server.chat_template: {}: {}", file, error.what()));
  }
}

}  // namespace

ChatSupport FindChatSupport(const Options& options, const ModelFiles& model) {
  const std::string& tokenizer = options.model.tokenizer;
  const ChatFiles files =
      ReadChatFiles(tokenizer.empty() ? model.folder : std::filesystem::path(tokenizer));
  const std::string& own = options.server.chat_template;
  return own.empty() ? OfFiles(files) : OfFile(own, files);
}

}  // namespace lockstep
