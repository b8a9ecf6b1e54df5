#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockstep {

// How wide help is, in characters: what every terminal has.
inline constexpr std::size_t kHelpColumns = 80;

// A text in lines of at most `columns` bytes, cut at spaces, each but the first behind `indent`
// spaces. A word that is longer has a line of its own. No line end behind the last line.
//   used   bytes that stand in the first line already
std::string Wrapped(std::string_view text, std::size_t columns, std::size_t indent,
                    std::size_t used = 0);

}  // namespace lockstep
