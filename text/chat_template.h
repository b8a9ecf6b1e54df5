#pragma once

#include <map>
#include <string>
#include <string_view>

#include "text/jinja/template.h"

namespace lockstep {

// One conversation, and how it is to be written.
struct Chat {
  nlohmann::ordered_json messages;  // a list of objects
  bool add_generation_prompt = true;
  // The last message goes on instead: what follows on its "content" is left out.
  bool continue_final_message = false;
  // Further variables of the template; they override the special tokens.
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
};

// Makes the text of a conversation, as apply_chat_template() of Hugging Face `transformers` does.
// Any thread may use it.
class ChatTemplate {
 public:
  // `special`: "bos_token" and the like, as variables of the template. Throws BadInput with the
  // place in the template for what it does not support.
  ChatTemplate(const std::string& source, std::map<std::string, std::string> special);

  // Throws BadInput, with the place in the template or with what is wrong with the messages. No
  // message names a file: clients see them.
  std::string Render(const Chat& chat) const;

  // Whether it goes through the parts of a message's content itself. Those of others are to be
  // joined to one text before.
  bool takes_parts() const { return takes_parts_; }

 private:
  jinja::Template parsed_;
  std::map<std::string, std::string> special_;
  bool takes_parts_;
};

}  // namespace lockstep
