#pragma once

#include <span>
#include <string>
#include <string_view>

#include "launcher/flags/pages/command_page.h"

namespace lockstep {

// "lockstep-bench-serve": what the manual page of a command is called, in section 1.
std::string ManualName(const CommandPage& page);

// The manual page of this name, as roff with the man macros; empty: that of the program, which has
// the configuration. Throws BadInput where there is no such page.
std::string ManualPage(std::span<const CommandPage> pages, const std::string& name);

// The names of all pages, one a line.
std::string ListOfManuals(std::span<const CommandPage> pages);

}  // namespace lockstep
