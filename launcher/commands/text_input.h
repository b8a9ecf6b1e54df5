#pragma once

#include <chrono>
#include <vector>

#include "launcher/commands/model_files.h"
#include "launcher/commands/requests.h"
#include "launcher/config/arguments.h"

namespace lockstep {

// What commands that read all their texts first, score and embed, have in common.

// The input's lines, tokenized and checked against the model; and that the output can be written,
// before hours of work. Throws BadInput or EnvironmentError.
std::vector<ScoreRequest> ReadTexts(const Arguments& arguments, const ModelFiles& model);

// Says how much was done since `start`, unless that is not wanted.
void LogTexts(const Arguments& arguments, const std::vector<ScoreRequest>& texts,
              std::chrono::steady_clock::time_point start);

}  // namespace lockstep
