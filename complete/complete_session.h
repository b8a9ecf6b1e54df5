#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "complete/server_client.h"
#include "core/json.h"

namespace lockstep {

// What a person does with a model at a prompt, without the terminal: lines in, text out. A line is
// a text to continue, or a command that begins with "/".
class CompleteSession {
 public:
  struct Parts {
    ServerClient& client;
    std::string model;               // as the server names it
    ServerClient::Stop stop;         // whether the answer that comes is to end
    Json settings = Json::object();  // of each request, until /set says otherwise
    std::ostream& out;               // texts
    std::ostream& notes;             // everything else
  };
  explicit CompleteSession(Parts parts);

  // False when it was told to end. What is wrong with a line is said, and counted.
  bool Take(const std::string& line);

  bool failed() const { return failed_; }

 private:
  bool Command(std::string_view name, std::string_view rest);
  void Set(std::string_view rest);
  void Unset(std::string_view name);
  void ShowSettings();
  void Continue(const std::string& text);
  std::string Ask(const Json& request);
  bool Shorten(Json& request);

  Parts parts_;
  Json settings_;
  std::string prompt_;  // of the last answer
  std::string answer_;
  bool failed_ = false;
};

}  // namespace lockstep
