#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// The words of a command line (without the program's name) with flags that other programs have
// for the same as their names here: "--max-tokens", "--max_new_tokens", "-tp" (synonyms.h). Values
// stay as they are, whatever they look like, and so does everything that is not known. "help
// COMMAND" becomes "COMMAND --help", and "manual COMMAND" names a page: "manual lockstep-COMMAND".
std::vector<std::string> OwnWords(const CLI::App& app, std::span<const std::string> words);

// The command that the words begin with, or null. "bench serve" is one below another.
const CLI::App* CommandOf(const CLI::App& app, std::span<const std::string> words);

// Of a flag of this program, the letter that llama.cpp has for it: "-m" for "--model". Empty: none.
std::string LetterOf(std::string_view flag);

// What --help=WORD on the command line asks for. Values of flags are not looked at.
std::optional<std::string> SoughtHelp(const CLI::App& app, std::span<const std::string> words);

// A YAML file given as a model: it is the configuration.
bool NamesConfig(const std::string& model);

// Whether it is the name of a configuration that comes with the program, such as "pythia-12b", and
// neither something here nor a demo model.
bool NamesShippedConfig(const std::string& model);

// Another name of a standard stream: renaming a file over /dev/stdout would take that away.
bool IsStandard(const std::string& path, std::string_view name, int descriptor);

}  // namespace lockstep
