#pragma once

#include <cstdint>
#include <vector>

namespace lockstep {

// The four classes that the GPT-2 expression tells apart: \p{L}, \p{N}, \s and what is none of
// them.
enum class CharClass : std::uint8_t { kOther = 0, kLetter = 1, kNumber = 2, kSpace = 3 };

// What the reference tokenizer knows of Unicode (unicode_tables.inc, probed from it code point by
// code point). Built once, about 1 MiB, immutable. Code points are below 0x110000.
class UnicodeTables {
 public:
  static const UnicodeTables& Get();

  CharClass ClassOf(char32_t c) const { return static_cast<CharClass>(traits_[c] & kClassMask); }

  // \w: what may not stand beside an added token that must be a whole word.
  bool IsWordCharacter(char32_t c) const { return (traits_[c] & kWord) != 0; }

  // True when NFC of any text splits before this character into NFC of both parts.
  bool IsNfcBoundary(char32_t c) const { return (traits_[c] & kJoinsBefore) == 0; }

  // True when the character alone is its own NFC.
  bool IsNfcStable(char32_t c) const { return (traits_[c] & kChangesAlone) == 0; }

  // Canonical combining class; 0 for everything that is no mark.
  std::uint8_t CombiningClass(char32_t c) const;

  // Appends the full canonical decomposition, the character itself when it has none.
  void Decompose(char32_t c, std::vector<char32_t>& parts) const;

  // The composite of two characters, or 0 when they do not compose.
  char32_t Compose(char32_t first, char32_t second) const;

 private:
  static constexpr std::uint8_t kClassMask = 3;
  static constexpr std::uint8_t kWord = 4;
  static constexpr std::uint8_t kJoinsBefore = 8;
  static constexpr std::uint8_t kChangesAlone = 16;

  UnicodeTables();
  void MarkClasses();
  void MarkNormalization();

  std::vector<std::uint8_t> traits_;
};

}  // namespace lockstep
