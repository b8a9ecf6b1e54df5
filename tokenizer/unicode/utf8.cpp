#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

// The bytes that may follow a lead byte: how many, and the range of the first of them. Only that
// first range tells overlong forms, surrogates and too large code points from valid ones.
struct Continuation {
  std::size_t count;
  unsigned char first_low;
  unsigned char first_high;
};

Continuation ContinuationOf(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Prefix ScanUtf8(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (byte(0) < 0x80) return {Utf8Kind::kValid, 1};
  const Continuation rest = ContinuationOf(byte(0));
  if (rest.count == 0) return {Utf8Kind::kInvalid, 1};
  for (std::size_t i = 1; i <= rest.count; ++i) {
    if (i == bytes.size()) return {Utf8Kind::kIncomplete, i};
    const unsigned char low = i == 1 ? rest.first_low : 0x80;
    const unsigned char high = i == 1 ? rest.first_high : 0xBF;
    if (byte(i) < low || byte(i) > high) return {Utf8Kind::kInvalid, i};
  }
  return {Utf8Kind::kValid, rest.count + 1};
}

std::optional<std::size_t> FindInvalidUtf8(std::string_view bytes) {
  std::size_t position = 0;
  while (position < bytes.size()) {
    const Utf8Prefix prefix = ScanUtf8(bytes.substr(position));
    if (prefix.kind != Utf8Kind::kValid) return position;
    position += prefix.length;
  }
  return std::nullopt;
}

void AppendUtf8(char32_t code_point, std::string& text) {
  const auto tail = [&](unsigned shift) {
    text.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  if (code_point < 0x80) {
    text.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::size_t AppendLossyUtf8(std::string_view bytes, Utf8Tail tail, std::string& text) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const Utf8Prefix prefix = ScanUtf8(bytes.substr(done));
    if (prefix.kind == Utf8Kind::kIncomplete && tail == Utf8Tail::kHold) break;
    if (prefix.kind == Utf8Kind::kValid)
      text.append(bytes.substr(done, prefix.length));
    else
      text.append("\xEF\xBF\xBD");
    done += prefix.length;
  }
  return done;
}

}  // namespace lockstep
