#pragma once

#include <cstdint>

namespace lockstep {

// What a line of the log looks like.
enum class LogFormat : std::uint8_t {
  kPlain,  // "lockstep: error: message"
  kText,   // the same behind the time (UTC); fields follow it: name=value
  kJson    // an object: time, level, message, fields
};

}  // namespace lockstep
