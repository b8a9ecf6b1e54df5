#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/pair_table.h"

namespace lockstep {

// Two neighbouring tokens that become one. The position in the list of merges is the rank: of all
// merges possible in a word the lowest rank goes first, of equal ones the leftmost.
struct MergeRule {
  std::int32_t left;
  std::int32_t right;
  std::int32_t result;
};

// Turns the bytes of one word into tokens by ranked merges. Immutable, so threads may share it.
class BpeModel {
 public:
  static constexpr std::int32_t kNoToken = -1;

  struct Parts {
    std::array<std::int32_t, 256> byte_tokens;                    // kNoToken where there is none
    std::vector<std::pair<std::string, std::int32_t>> spellings;  // bytes of each token, its id
    std::vector<MergeRule> merges;                                // in the order of their rank
    bool ignore_merges;  // a word that is a token is that token, whatever the merges say
  };

  explicit BpeModel(const Parts& parts);

  // Appends the tokens of a word of raw bytes. A byte without a token is left out, as the
  // reference does. Time: n log n in the length of the word.
  void EncodeWord(std::string_view word, std::vector<std::int32_t>& tokens) const;

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  void MergeWord(std::string_view word, std::vector<std::int32_t>& tokens) const;
  void MergeShort(std::vector<std::int32_t>& tokens, std::size_t begin) const;
  void MergeLong(std::vector<std::int32_t>& tokens, std::size_t begin) const;

  std::array<std::int32_t, 256> byte_tokens_;
  PairTable merges_;

  // Words that end up as one token, which most words of ordinary text do: found by one look-up
  // instead of being merged. It holds nothing but what merging would give, so it needs no lock.
  std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>> whole_words_;
};

}  // namespace lockstep
