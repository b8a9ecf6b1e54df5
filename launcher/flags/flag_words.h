#pragma once

#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// The words of a command line (without the program's name) with flags that other programs have
// for the same as their names here: "--max-tokens", "--max_new_tokens", "-tp" (synonyms.h). Values
// stay as they are, whatever they look like, and so does everything that is not known. "help
// COMMAND" becomes "COMMAND --help".
std::vector<std::string> OwnWords(const CLI::App& app, std::span<const std::string> words);

}  // namespace lockstep
