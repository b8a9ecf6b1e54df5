#pragma once

#include <filesystem>
#include <span>

namespace lockstep {

// Writes a GPT-J of five heads and 64 tokens of context whose logits are these after any text: its
// LM head has no weights, and them for its biases. A case of files for GoldenModel.
void WriteModelOfLogits(const std::filesystem::path& folder, std::span<const float> logits);

}  // namespace lockstep
