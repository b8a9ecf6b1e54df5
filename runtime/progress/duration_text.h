#pragma once

#include <string>

namespace lockstep {

// Rounded to one unit: "12 s", "3 min", "5 h", "4 days".
std::string DurationText(double seconds);

}  // namespace lockstep
