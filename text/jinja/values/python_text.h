#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

// What Python's str does. Texts are valid UTF-8; positions and lengths are in characters. Upper and
// lower case are those of single characters, and "ß" has "SS".

bool IsPythonSpace(char32_t c);  // str.isspace
std::int64_t Characters(std::string_view text);
// Where each character begins, and the end.
std::vector<std::size_t> CharacterStarts(std::string_view text);

enum class Side : std::uint8_t { kLeft, kRight, kBoth };
// chars: which characters go; nothing: white space.
std::string_view Strip(std::string_view text, Side side,
                       std::optional<std::string_view> chars = {});

// As str.islower() and str.isupper().
bool IsLowerCase(std::string_view text);
bool IsUpperCase(std::string_view text);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
// The first character upper case, the rest lower.
std::string Capitalize(std::string_view text);
// The same for each run of letters.
std::string Title(std::string_view text);

// At white space where there is no separator. most: -1 for all there are. The separator is not
// empty.
std::vector<std::string> Split(std::string_view text, std::optional<std::string_view> separator,
                               std::int64_t most);
std::vector<std::string> SplitFromRight(std::string_view text,
                                        std::optional<std::string_view> separator,
                                        std::int64_t most);
enum class LineEnds : std::uint8_t { kDropped, kKept };
std::vector<std::string> SplitLines(std::string_view text, LineEnds ends);

std::string Replace(std::string_view text, std::string_view old, std::string_view fresh,
                    std::int64_t most);

}  // namespace lockstep::jinja
