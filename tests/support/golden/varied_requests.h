#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "comm/control_plane.h"
#include "engine/engine.h"

namespace lockstep {

// Requests of every kind for tests that compare bits, and what was reported of them.

// All that is reported of requests, as text: floats in hexadecimal are equal only when all of
// their bits are.
using Reports = std::map<std::int64_t, std::string>;

void Report(const TokenEvent& event, std::string& text);

// What a model takes.
struct RequestRoom {
  std::int64_t context = 0;
  std::int64_t vocab = 0;
};

// The id-th request: of any kind, with the same beginning as many others.
Request VariedRequest(std::int64_t id, const RequestRoom& room);

// Runs requests 0 to count - 1, each in an engine of its own on one rank, with nothing cached.
// ending: the token that ends a text. hidden_layer: as in EngineOptions.
struct SoloRuns {
  std::int64_t count = 0;
  std::int32_t ending = 0;
  std::int64_t hidden_layer = 0;
};
Reports RunAlone(Decoder& decoder, ControlPlane& self, const SoloRuns& runs,
                 const RequestRoom& room);

// Runs requests 0 to count - 1 together.
Reports RunTogether(Engine& engine, std::int64_t count, const RequestRoom& room);

}  // namespace lockstep
