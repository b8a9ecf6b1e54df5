#pragma once

#include <string>

#include "runtime/options/arguments.h"

namespace lockstep {

// What generate continues: --prompt TEXT, or standard input (--prompt -) or --prompt-file FILE
// without a last line end, with escapes processed where --escape says so. The ranks that this
// process starts read the same standard input again. Throws BadInput and EnvironmentError naming
// the flag.
std::string PromptText(const Arguments& arguments);

// The text that "\n", "\t", "\r", "\0", "\\", "\"", "\'", "\xHH" and "\uHHHH" stand for. flag: in
// messages. Throws BadInput for another escape.
std::string WithoutEscapes(const std::string& text, const std::string& flag);

}  // namespace lockstep
