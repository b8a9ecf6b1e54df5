#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

bool IsSpace(char32_t c) { return UnicodeTables::Get().ClassOf(c) == CharClass::kSpace; }

// Where the character before `position` starts; position > 0.
std::size_t PreviousCharacter(std::string_view text, std::size_t position) {
  do --position;
  while ((static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
  return position;
}

bool StandsAlone(std::string_view text, std::size_t begin, std::size_t end) {
  const UnicodeTables& tables = UnicodeTables::Get();
  const auto is_word_at = [&](std::size_t position) {
    return tables.IsWordCharacter(DecodeUtf8(text, position).code_point);
  };
  const bool word_before = begin > 0 && is_word_at(PreviousCharacter(text, begin));
  const bool word_after = end < text.size() && is_word_at(end);
  return !word_before && !word_after;
}

// The start of the white space that ends at `end`, but not before `limit`.
std::size_t SpacesBefore(std::string_view text, std::size_t end, std::size_t limit) {
  while (end > limit) {
    const std::size_t previous = PreviousCharacter(text, end);
    if (!IsSpace(DecodeUtf8(text, previous).code_point)) break;
    end = previous;
  }
  return end;
}

// The end of the white space after a place. Remembers the last run it saw: tokens that are
// themselves white space would otherwise make it walk a long run again for each of them.
class SpacesAfter {
 public:
  explicit SpacesAfter(std::string_view text) : text_(text) {}

  std::size_t operator()(std::size_t begin) {
    if (begin >= run_begin_ && begin <= run_end_) return run_end_;
    run_begin_ = run_end_ = begin;
    while (run_end_ < text_.size()) {
      const CodePointAt at = DecodeUtf8(text_, run_end_);
      if (!IsSpace(at.code_point)) break;
      run_end_ += at.length;
    }
    return run_end_;
  }

 private:
  std::string_view text_;
  std::size_t run_begin_ = 0;
  std::size_t run_end_ = 0;
};

}  // namespace

bool AddedTokenMatcher::Add(std::string_view pattern, std::int32_t id, const AddedToken& flags,
                            Found found) {
  std::uint32_t node = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    std::uint32_t child = Child(node, byte);
    if (child == kNone) {
      child = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].children.emplace_back(byte, child);
      if (node == 0) first_[byte] = child;
    }
    node = child;
  }
  if (nodes_[node].token != kNone) return false;
  nodes_[node].token = static_cast<std::uint32_t>(tokens_.size());
  tokens_.push_back({id, found, flags.single_word, flags.lstrip, flags.rstrip});
  return true;
}

std::uint32_t AddedTokenMatcher::Child(std::uint32_t node, unsigned char byte) const {
  if (node == 0) return first_[byte];
  for (const auto& [label, child] : nodes_[node].children)
    if (label == byte) return child;
  return kNone;
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::LongestMatchAt(
    std::string_view text, std::size_t position) const {
  std::optional<Match> longest;
  std::uint32_t node = 0;
  while (position < text.size()) {
    node = Child(node, static_cast<unsigned char>(text[position]));
    if (node == kNone) break;
    ++position;
    if (nodes_[node].token != kNone) longest = Match{nodes_[node].token, position};
  }
  return longest;
}

std::vector<TextPiece> AddedTokenMatcher::Split(std::string_view text) const {
  std::vector<TextPiece> pieces;
  const auto add = [&](std::int32_t id, std::size_t begin, std::size_t end) {
    if (begin < end) pieces.push_back({id, text.substr(begin, end - begin)});
  };
  SpacesAfter spaces_after(text);
  std::size_t done = 0;
  for (std::size_t position = 0; position < text.size() && !empty();) {
    const std::optional<Match> match = LongestMatchAt(text, position);
    if (!match) {
      ++position;
      continue;
    }
    const Token& token = tokens_[match->token];
    std::size_t begin = position;
    std::size_t end = position = match->end;
    if (token.found == Found::kPassedOver) continue;
    if (token.single_word && !StandsAlone(text, begin, end)) continue;
    // A match may lie in the white space that the token before it took along. The reference emits
    // both, and goes on from the end of the later one; so do we.
    if (token.lstrip) begin = std::max(done, SpacesBefore(text, begin, std::min(begin, done)));
    if (token.rstrip) end = spaces_after(end);
    add(TextPiece::kPlainText, done, begin);
    add(token.id, begin, end);
    done = end;
  }
  add(TextPiece::kPlainText, done, text.size());
  return pieces;
}

}  // namespace lockstep
