#include "tokenizer/unicode/unicode.h"

#include <algorithm>
#include <iterator>

namespace lockstep {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

struct CombiningClassRange {
  char32_t first;
  char32_t last;
  std::uint8_t combining_class;
};

struct Decomposition {
  char32_t code_point;
  char32_t parts[4];  // 0 where there are fewer
};

struct Composition {
  char32_t first;
  char32_t second;
  char32_t composite;
};

#include "tokenizer/unicode/unicode_tables.inc"

constexpr char32_t kCodePoints = 0x110000;

// Hangul syllables are composed by arithmetic: The Unicode Standard, section 3.12.
constexpr char32_t kSyllableBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161,
                   kTailBase = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28;
constexpr char32_t kSyllables = kLeads * kVowels * kTails;

bool IsSyllable(char32_t c) { return c >= kSyllableBase && c < kSyllableBase + kSyllables; }

char32_t ComposeHangul(char32_t first, char32_t second) {
  if (first >= kLeadBase && first < kLeadBase + kLeads && second >= kVowelBase &&
      second < kVowelBase + kVowels)
    return kSyllableBase + ((first - kLeadBase) * kVowels + (second - kVowelBase)) * kTails;
  const bool open_syllable = IsSyllable(first) && (first - kSyllableBase) % kTails == 0;
  if (open_syllable && second > kTailBase && second < kTailBase + kTails)
    return first + (second - kTailBase);
  return 0;
}

void DecomposeHangul(char32_t syllable, std::vector<char32_t>& parts) {
  const char32_t index = syllable - kSyllableBase;
  parts.push_back(kLeadBase + index / (kVowels * kTails));
  parts.push_back(kVowelBase + index % (kVowels * kTails) / kTails);
  if (index % kTails != 0) parts.push_back(kTailBase + index % kTails);
}

}  // namespace

const UnicodeTables& UnicodeTables::Get() {
  static const UnicodeTables tables;
  return tables;
}

UnicodeTables::UnicodeTables() : traits_(kCodePoints, 0) {
  MarkClasses();
  MarkNormalization();
}

void UnicodeTables::MarkClasses() {
  const auto mark = [this](const auto& ranges, std::uint8_t bits) {
    for (const CodePointRange& range : ranges)
      for (char32_t c = range.first; c <= range.last; ++c)
        traits_[c] = static_cast<std::uint8_t>(traits_[c] | bits);
  };
  mark(kLetters, static_cast<std::uint8_t>(CharClass::kLetter));
  mark(kNumbers, static_cast<std::uint8_t>(CharClass::kNumber));
  mark(kSpaces, static_cast<std::uint8_t>(CharClass::kSpace));
  mark(kWordCharacters, kWord);
}

void UnicodeTables::MarkNormalization() {
  const auto mark = [this](char32_t c, std::uint8_t bits) {
    traits_[c] = static_cast<std::uint8_t>(traits_[c] | bits);
  };
  for (const CombiningClassRange& range : kCombiningClasses)
    for (char32_t c = range.first; c <= range.last; ++c) mark(c, kJoinsBefore);
  for (const Composition& pair : kCompositions) mark(pair.second, kJoinsBefore);
  for (char32_t i = 0; i < kVowels; ++i) mark(kVowelBase + i, kJoinsBefore);
  for (char32_t i = 1; i < kTails; ++i) mark(kTailBase + i, kJoinsBefore);

  // After the marks above, because a character joins when the first of its parts does.
  for (const Decomposition& entry : kDecompositions) {
    if ((traits_[entry.parts[0]] & kJoinsBefore) != 0) mark(entry.code_point, kJoinsBefore);
    mark(entry.code_point, kChangesAlone);
  }
  for (const Composition& pair : kCompositions)
    traits_[pair.composite] = static_cast<std::uint8_t>(traits_[pair.composite] & ~kChangesAlone);
}

std::uint8_t UnicodeTables::CombiningClass(char32_t c) const {
  const auto* range = std::lower_bound(
      std::begin(kCombiningClasses), std::end(kCombiningClasses), c,
      [](const CombiningClassRange& entry, char32_t value) { return entry.last < value; });
  if (range == std::end(kCombiningClasses) || c < range->first) return 0;
  return range->combining_class;
}

void UnicodeTables::Decompose(char32_t c, std::vector<char32_t>& parts) const {
  if (IsSyllable(c)) return DecomposeHangul(c, parts);
  const auto* entry = std::lower_bound(
      std::begin(kDecompositions), std::end(kDecompositions), c,
      [](const Decomposition& row, char32_t value) { return row.code_point < value; });
  if (entry == std::end(kDecompositions) || entry->code_point != c) return parts.push_back(c);
  for (const char32_t part : entry->parts)
    if (part != 0) parts.push_back(part);
}

char32_t UnicodeTables::Compose(char32_t first, char32_t second) const {
  if (const char32_t syllable = ComposeHangul(first, second); syllable != 0) return syllable;
  const auto* entry = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), Composition{first, second, 0},
      [](const Composition& a, const Composition& b) {
        return a.first != b.first ? a.first < b.first : a.second < b.second;
      });
  if (entry == std::end(kCompositions) || entry->first != first || entry->second != second)
    return 0;
  return entry->composite;
}

}  // namespace lockstep
