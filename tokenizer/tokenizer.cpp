#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/file.h"
#include "core/hash.h"
#include "core/heartbeat.h"
#include "core/message_bytes.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/files/tokenizer_folder.h"
#include "tokenizer/files/tokenizer_json.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unicode/nfc.h"
#include "tokenizer/unicode/utf8.h"
#include "tokenizer/vocabulary.h"

namespace lockstep {
namespace {

std::int32_t MergedId(const TokenizerSpec& spec, const Vocabulary& vocabulary, std::size_t rank,
                      const std::string& spelling) {
  if (const std::optional<std::int32_t> id = vocabulary.FindInModel(spelling)) return *id;
  const auto& [left, right] = spec.merges[rank];
  throw BadInput(
      "{}: merge {} (\"{}\" with \"{}\") needs the token \"{}\", which the vocabulary lacks; "
      "expected merges and vocabulary of one tokenizer",
      spec.where, rank, left, right, spelling);
}

BpeModel MakeModel(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  BpeModel::Parts parts;
  for (std::size_t byte = 0; byte < 256; ++byte)
    parts.byte_tokens[byte] =
        vocabulary.FindInModel(ByteSpellings()[byte]).value_or(BpeModel::kNoToken);
  for (const auto& [spelling, id] : spec.vocabulary)
    if (std::optional<std::string> bytes = BytesOfSpelling(spelling))
      parts.spellings.emplace_back(std::move(*bytes), id);
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    parts.merges.push_back({MergedId(spec, vocabulary, rank, left),
                            MergedId(spec, vocabulary, rank, right),
                            MergedId(spec, vocabulary, rank, left + right)});
  }
  parts.ignore_merges = spec.ignore_merges;
  return BpeModel(parts);
}

// The most bytes of a text that become one token; nothing where that may be any number.
std::optional<std::int64_t> MostBytesOfAToken(const TokenizerSpec& spec,
                                              const Vocabulary& vocabulary) {
  std::size_t longest = 0;
  for (const std::string& spelling : ByteSpellings())
    if (!vocabulary.FindInModel(spelling)) return std::nullopt;
  for (const Vocabulary::Pattern& pattern : vocabulary.Patterns()) {
    if (pattern.token.lstrip || pattern.token.rstrip) return std::nullopt;
    longest = std::max(longest, pattern.text.size());
  }
  for (std::int32_t id = 0; id < vocabulary.size(); ++id)
    longest = std::max(longest, vocabulary.Bytes(id).size());
  // NFC makes three bytes one (the Kelvin sign), and none more.
  constexpr std::int64_t kMostShrinking = 3;
  const bool shrinks = spec.normalization == Normalization::kNfc;
  return static_cast<std::int64_t>(longest) * (shrinks ? kMostShrinking : 1);
}

// Everything but where it stands. The order of a vocabulary is that of its file.
std::uint64_t FingerprintOf(const TokenizerSpec& spec) {
  MessageWriter bytes;
  auto vocabulary = spec.vocabulary;
  std::ranges::sort(vocabulary);
  for (const auto& [spelling, id] : vocabulary) {
    bytes.PutText(spelling);
    bytes.Put(id);
  }
  bytes.PutCount(spec.merges.size());
  for (const auto& [left, right] : spec.merges) {
    bytes.PutText(left);
    bytes.PutText(right);
  }
  for (const TokenizerSpec::Added& added : spec.added) {
    bytes.Put(added.id);
    bytes.PutText(added.token.content);
    for (const bool flag : {added.token.single_word, added.token.lstrip, added.token.rstrip,
                            added.token.normalized, added.token.special})
      bytes.Put(flag);
  }
  bytes.Put(spec.ignore_merges);
  bytes.Put(spec.normalization);
  bytes.Put(spec.prefix_space);
  bytes.Put(spec.word_splitting);
  bytes.Put(spec.special_in_text);
  return HashBytes(bytes.Take());
}

}  // namespace

// The way of a text: cut at `raw` added tokens, normalise what is between them, cut at the
// `normalized` ones, split the rest into words, merge each word.
struct Tokenizer::Data {
  explicit Data(const TokenizerSpec& spec);

  void EncodeBetweenRaw(std::string_view text, std::vector<std::int32_t>& ids) const;
  void EncodePlain(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::uint64_t fingerprint;
  Vocabulary vocabulary;
  BpeModel model;
  std::optional<std::int64_t> most_bytes;  // of a token
  AddedTokenMatcher raw;
  AddedTokenMatcher normalized;
  Normalization normalization;
  PrefixSpace prefix_space;
  WordSplitting word_splitting;
};

Tokenizer::Data::Data(const TokenizerSpec& spec)
    : fingerprint(FingerprintOf(spec)),
      vocabulary(spec),
      model(MakeModel(spec, vocabulary)),
      most_bytes(MostBytesOfAToken(spec, vocabulary)),
      normalization(spec.normalization),
      prefix_space(spec.prefix_space),
      word_splitting(spec.word_splitting) {
  for (const Vocabulary::Pattern& pattern : vocabulary.Patterns()) {
    AddedTokenMatcher& matcher = pattern.token.normalized ? normalized : raw;
    const bool is_text =
        spec.special_in_text == SpecialInText::kIsText && vocabulary.IsSpecial(pattern.id);
    if (!matcher.Add(pattern.text, pattern.id, pattern.token,
                     is_text ? Found::kPassedOver : Found::kTaken))
      throw BadInput("{}: two added tokens match the same text \"{}\"; expected each text once",
                     spec.where, pattern.text);
  }
}

void Tokenizer::Data::EncodeBetweenRaw(std::string_view text,
                                       std::vector<std::int32_t>& ids) const {
  std::string changed;
  if (normalization == Normalization::kNfc) text = changed = NormalizeNfc(text);
  for (const TextPiece& piece : normalized.Split(text)) {
    if (piece.id == TextPiece::kPlainText)
      EncodePlain(piece.text, ids);
    else
      ids.push_back(piece.id);
  }
}

void Tokenizer::Data::EncodePlain(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::string prefixed;
  if (prefix_space == PrefixSpace::kAdd && !text.starts_with(' '))
    text = prefixed = ' ' + std::string(text);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end =
        word_splitting == WordSplitting::kGpt2 ? WordEnd(text, begin) : text.size();
    Heartbeat();
    model.EncodeWord(text.substr(begin, end - begin), ids);
    begin = end;
  }
}

Tokenizer::Tokenizer(const TokenizerSpec& spec) : data_(std::make_shared<const Data>(spec)) {}

Tokenizer Tokenizer::Load(const std::filesystem::path& file_or_folder) {
  if (IsFolder(file_or_folder))
    return Tokenizer(ParseTokenizerFiles(ReadTokenizerFiles(file_or_folder)));
  return FromJson(ReadFile(file_or_folder), file_or_folder.string());
}

Tokenizer Tokenizer::FromJson(std::string_view json, std::string_view where) {
  return Tokenizer(ParseTokenizerJson(json, where));
}

std::vector<std::int32_t> Tokenizer::Encode(std::string_view text) const {
  if (const std::optional<std::size_t> offset = FindInvalidUtf8(text))
    throw BadInput("text to encode: byte {} (0x{:02X}) is not valid UTF-8; expected UTF-8 text",
                   *offset, static_cast<unsigned char>(text[*offset]));
  std::vector<std::int32_t> ids;
  for (const TextPiece& piece : data_->raw.Split(text)) {
    if (piece.id == TextPiece::kPlainText)
      data_->EncodeBetweenRaw(piece.text, ids);
    else
      ids.push_back(piece.id);
  }
  return ids;
}

std::optional<std::int64_t> Tokenizer::MostBytes(std::int64_t tokens) const {
  if (!data_->most_bytes) return std::nullopt;
  return tokens * *data_->most_bytes;
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, SpecialTokens special) const {
  std::string bytes;
  for (const std::int32_t id : ids)
    if (special == SpecialTokens::kKeep || !IsSpecial(id)) bytes.append(TokenBytes(id));
  std::string text;
  text.reserve(bytes.size());
  AppendLossyUtf8(bytes, Utf8Tail::kReplace, text);
  return text;
}

std::string_view Tokenizer::TokenBytes(std::int32_t id) const {
  return data_->vocabulary.Bytes(id);
}

std::int32_t Tokenizer::vocab_size() const { return data_->vocabulary.named_size(); }

std::int32_t Tokenizer::vocab_size_without_added() const {
  return data_->vocabulary.size_without_added();
}

std::optional<std::int32_t> Tokenizer::TokenId(std::string_view spelling) const {
  return data_->vocabulary.Find(spelling);
}

std::uint64_t Tokenizer::fingerprint() const { return data_->fingerprint; }

bool Tokenizer::IsSpecial(std::int32_t id) const { return data_->vocabulary.IsSpecial(id); }

}  // namespace lockstep
