#pragma once

#include "partition/model/architecture.h"

namespace lockstep {

// One for each Family, in a file of its own.
extern const Architecture kGptJ;
extern const Architecture kGptNeoX;
extern const Architecture kGpt2;

}  // namespace lockstep
