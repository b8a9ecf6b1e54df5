#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

// Numbers as tables show them, with three digits or so and the unit that fits.
std::string SecondsText(double seconds);  // "12.3 us", "1.23 ms", "4.56 s"
std::string GibText(double bytes);        // "1.23", in GiB
std::string GroupedText(std::int64_t n);  // "1,234,567"
std::string RateText(double per_second);  // "0.73", "45.6", "1,234"
std::string OffText(double share);        // of -0.0123 "-1.2 %"

}  // namespace lockstep
