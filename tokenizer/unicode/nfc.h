#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Unicode normalisation form C (UAX #15), with the character data of the reference tokenizer.
// `text` is valid UTF-8. Time is linear but for the sorting of unbroken runs of marks.
std::string NormalizeNfc(std::string_view text);

}  // namespace lockstep
