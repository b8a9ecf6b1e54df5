#pragma once

#include <span>
#include <string>
#include <string_view>

#include "launcher/flags/pages/command_page.h"

namespace lockstep {

// --help, in kHelpColumns.
std::string HelpText(const CommandPage& page);

// --help=WORD: the flags of these commands and the keys of the configuration in whose name or
// explanation it stands, each with all that is known of it. Throws BadInput where it stands in
// none.
std::string FoundHelp(std::span<const CommandPage> pages, std::string_view word);

}  // namespace lockstep
