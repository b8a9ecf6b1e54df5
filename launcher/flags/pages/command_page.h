#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

class OptionFlags;

// What is known of a command and its flags, as data: help, manual pages and the shells' completion
// are all made from it, and it is made from what parses the command line.

// A flag, or an argument that has no name.
struct FlagEntry {
  std::string name = {};      // "--model"; "KIND" of an argument
  std::string letter = {};    // "-m"; empty: none
  std::string value = {};     // what its value is called: "N", "fp32|bf16"; empty: it has none
  std::string help = {};      // what it does
  std::string usual = {};     // what holds without it; empty: nothing to say
  std::string key = {};       // of the configuration that it sets: "model.path"; empty: none
  std::string expected = {};  // by that key: "an integer from 1 to 65536"
  bool is_argument = false;
  bool may_lead = false;  // whether its value may stand as an argument, too

  // The words of a value such as "fp32|bf16", and whether it may be a path.
  std::vector<std::string> choices() const;
  bool takes_path() const;
};

struct FlagGroup {
  std::string heading;
  std::vector<FlagEntry> entries;
};

struct CommandPage {
  struct Below {
    std::string name;
    std::string summary;
    std::string heading;  // of the list it stands in
  };

  std::string name;     // "bench serve"; empty: the program itself
  std::string summary;  // one sentence
  std::string text;     // paragraphs; lines that begin with a space stand as they are
  std::vector<FlagGroup> groups;
  std::vector<Below> commands;

  // Whether it is a command of another command: "bench serve".
  bool is_nested() const { return name.find(' ') != std::string::npos; }
  std::string full_name() const { return name.empty() ? "lockstep" : "lockstep " + name; }
  // "lockstep bench KIND [MODEL] [FLAGS]"
  std::string usage() const;
};

// flags: what knows the keys of the command's flags; null: nobody does.
CommandPage PageOf(const CLI::App& command, const OptionFlags* flags);

// A text of several paragraphs. A verbatim one is lines that stand as they are.
struct Paragraph {
  bool is_verbatim = false;
  std::string text;  // with line ends only where verbatim
};
std::vector<Paragraph> ParagraphsOf(std::string_view text);

}  // namespace lockstep
