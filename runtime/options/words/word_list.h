#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "runtime/options/option_types.h"

namespace lockstep {

// Values that are lists: "1,2,4".

// What stands between the separators: always one part more than there are separators, and so an
// empty one of an empty text. The parts point into the text.
std::vector<std::string_view> SplitAt(std::string_view text, char separator);

// Each part of a list with commas as parse() reads it. Throws BadInput naming the flag where two
// are the same.
template <typename Value, typename Parse>
std::vector<Value> EachOnce(std::string_view text, std::string_view flag, const Parse& parse) {
  std::vector<Value> values;
  for (const std::string_view part : SplitAt(text, ',')) {
    Value value = parse(part);
    if (std::ranges::find(values, value) != values.end())
      throw BadInput("{} names {} twice; give it once", flag, QuotedText(part));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace lockstep
