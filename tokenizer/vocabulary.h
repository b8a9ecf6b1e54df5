#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/tokenizer_spec.h"

namespace lockstep {

// Which token has which id, and which bytes: the vocabulary of the model with the added tokens
// laid over it, by the rules of the reference.
class Vocabulary {
 public:
  // Throws BadInput for ids from kTokenIdLimit.
  explicit Vocabulary(const TokenizerSpec& spec);

  // One past the highest id: of all tokens, of those that a file names, of those that are not
  // added.
  std::int32_t size() const { return static_cast<std::int32_t>(tokens_.size()); }
  std::int32_t named_size() const { return named_size_; }
  std::int32_t size_without_added() const { return size_without_added_; }
  std::optional<std::int32_t> Find(std::string_view spelling) const;

  // The same for what merging knows, which is no added token.
  std::optional<std::int32_t> FindInModel(std::string_view spelling) const;

  // For an id without a token: no bytes, not special.
  std::string_view Bytes(std::int32_t id) const;
  bool IsSpecial(std::int32_t id) const;

  // The added tokens that count, by ascending id, each with the text it is found by.
  struct Pattern {
    std::int32_t id;
    std::string text;
    AddedToken token;
  };
  std::vector<Pattern> Patterns() const;

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using IdMap = std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>>;

  struct Token {
    std::string bytes;
    bool special = false;
  };

  void GiveIds(const TokenizerSpec& spec);
  void SetToken(std::int32_t id, std::string_view spelling);

  IdMap model_ids_;
  IdMap added_ids_;
  std::map<std::int32_t, AddedToken> added_;  // by id; the last one given wins
  std::unordered_map<std::int32_t, std::string>
      normalized_;                           // by id, where NFC changes the content
  std::unordered_set<std::string> special_;  // contents
  std::vector<Token> tokens_;                // by id
  std::int32_t named_size_ = 0;
  std::int32_t size_without_added_ = 0;
};

}  // namespace lockstep
