#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace lockstep {

// What a tokenizer's folder says about chats.
struct ChatFiles {
  struct Template {
    std::string source;
    std::string where;  // "model/chat_template.jinja", for messages
  };
  std::map<std::string, Template> templates;   // "default" and others; none: not made for chats
  std::map<std::string, std::string> special;  // "bos_token" and the like: their texts
};

// By the rules of Hugging Face `transformers`: chat_template.jinja is the default and
// additional_chat_templates/NAME.jinja another; only where none of these files is there,
// "chat_template" of tokenizer_config.json counts, which is a text or a list of names and texts.
// The special tokens are those that the files or the tokenizer's class name. A path that is no
// folder has neither. Throws BadInput, EnvironmentError.
ChatFiles ReadChatFiles(const std::filesystem::path& folder);

}  // namespace lockstep
