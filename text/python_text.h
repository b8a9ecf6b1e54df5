#pragma once

#include <cstdint>
#include <string_view>

namespace lockstep {

// What Python's str does with white space. The texts are valid UTF-8.

// str.rstrip(), str.lstrip() and str.strip().
std::string_view WithoutSpacesAtEnd(std::string_view text);
std::string_view WithoutSpacesAtBeginning(std::string_view text);
std::string_view WithoutSpacesAround(std::string_view text);

// len(re.split(r"\s+", text)): the runs of white space and one.
std::int64_t CountSplitWords(std::string_view text);

// len(text).
std::int64_t CountCharacters(std::string_view text);

}  // namespace lockstep
