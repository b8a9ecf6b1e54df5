#pragma once

#include "server/routes.h"

namespace lockstep {

// The page at "/": a playground for base models, one HTML file that needs no other.
HttpAnswer Playground();

}  // namespace lockstep
