#pragma once

#include <string_view>

#include "text/jinja/nodes/nodes.h"

namespace lockstep::jinja {

// Reads a template. Throws BadInput "where, line 1, column 2: ..." for what is none, and for what
// of Jinja is not supported: includes, imports, blocks, calls of macros with bodies, recursive
// loops.
Block ParseTemplate(std::string_view source, std::string_view where);

}  // namespace lockstep::jinja
