#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "tokenizer/tokenizer.h"

namespace lockstep {

// The token that stands for an empty context: the one that begins texts, or else that which ends
// them, as the tokenizer's files name them.
class PrefixToken {
 public:
  // place: the tokenizer's folder or file.
  PrefixToken(const Tokenizer& tokenizer, const std::filesystem::path& place);

  // Throws BadInput where nothing names one.
  std::int32_t id() const;

  // The same, or nothing.
  const std::optional<std::int32_t>& found() const { return id_; }

 private:
  std::filesystem::path place_;
  std::optional<std::int32_t> id_;
};

}  // namespace lockstep
