#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

// A token that is found in the text itself, before any merging.
struct AddedToken {
  std::string content;
  bool single_word = false;  // does not match beside a word character
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = true;    // found in the normalised text, by its normalised content
  bool special = false;      // left out by Decode on request

  bool operator==(const AddedToken&) const = default;
};

// Whether a match counts. One that is passed over is text, and so are shorter tokens within it.
enum class Found { kTaken, kPassedOver };

// A stretch of the text: an added token, or plain text between them (id kPlainText).
struct TextPiece {
  static constexpr std::int32_t kPlainText = -1;
  std::int32_t id;
  std::string_view text;
};

// Finds added tokens, of several at one place the longest, from left to right and not overlapping.
// Time is the length of the text times that of the longest pattern.
class AddedTokenMatcher {
 public:
  // Returns false, adding nothing, when the pattern is there already. `pattern` is not empty.
  bool Add(std::string_view pattern, std::int32_t id, const AddedToken& flags,
           Found found = Found::kTaken);

  bool empty() const { return tokens_.empty(); }

  // The pieces of `text` in order, none of them empty. `text` is valid UTF-8.
  std::vector<TextPiece> Split(std::string_view text) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Token {
    std::int32_t id;
    Found found;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  struct Node {
    std::uint32_t token = kNone;  // index into tokens_, of the pattern that ends here
    std::vector<std::pair<unsigned char, std::uint32_t>> children;
  };
  struct Match {
    std::uint32_t token;
    std::size_t end;
  };

  std::uint32_t Child(std::uint32_t node, unsigned char byte) const;
  std::optional<Match> LongestMatchAt(std::string_view text, std::size_t position) const;

  std::vector<Token> tokens_;
  std::vector<Node> nodes_ = std::vector<Node>(1);  // a trie; the root is nodes_[0]
  std::array<std::uint32_t, 256> first_ = [] {      // the root's children, for a fast scan
    std::array<std::uint32_t, 256> none;
    none.fill(kNone);
    return none;
  }();
};

}  // namespace lockstep
