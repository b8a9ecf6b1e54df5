#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode/nfc.h"

namespace lockstep {
namespace {

// The reference gives an added token the id that the vocabulary has for it, or the next free one,
// whatever its file says. Weights trained with the file's id would get another token, so say it.
void WarnOfOtherId(const TokenizerSpec& spec, const TokenizerSpec::Added& added, std::int64_t id) {
  if (added.id == TokenizerSpec::Added::kNoId || added.id == id) return;
  LogWarning(
      "{}: the added token \"{}\" has the id {} in the file, but {} by the vocabulary (the "
      "reference takes that one too); check that the files belong together",
      spec.where, added.token.content, added.id, id);
}

}  // namespace

Vocabulary::Vocabulary(const TokenizerSpec& spec) {
  for (const auto& [spelling, id] : spec.vocabulary) model_ids_.emplace(spelling, id);
  GiveIds(spec);
  for (const auto& [spelling, id] : spec.vocabulary) SetToken(id, spelling);
  size_without_added_ = size();
  named_size_ = std::max(named_size_, size());
  for (const auto& [id, token] : added_) {
    const auto changed = normalized_.find(id);
    SetToken(id, changed == normalized_.end() ? token.content : changed->second);
  }
}

// Order matters here as it does in the reference: a later token may take over an earlier one's id.
void Vocabulary::GiveIds(const TokenizerSpec& spec) {
  auto next_id = static_cast<std::int64_t>(spec.vocabulary.size());
  for (const TokenizerSpec::Added& added : spec.added) {
    const std::string& content = added.token.content;
    if (content.empty()) continue;
    const std::optional<std::int32_t> known = Find(content);
    const std::int64_t wide_id = known ? *known : next_id++;
    if (wide_id >= kTokenIdLimit)
      throw BadInput("{}: the added token \"{}\" would get the id {}; expected less than {}",
                     spec.where, content, wide_id, kTokenIdLimit);
    WarnOfOtherId(spec, added, wide_id);
    const auto id = static_cast<std::int32_t>(wide_id);
    if (added.token.normalized && spec.normalization == Normalization::kNfc)
      if (std::string normalized = NormalizeNfc(content); normalized != content)
        normalized_[id] = std::move(normalized);
    if (!added.implied) named_size_ = std::max(named_size_, id + 1);
    added_ids_[content] = id;
    if (added.token.special) special_.insert(content);
    added_[id] = added.token;
  }
}

void Vocabulary::SetToken(std::int32_t id, std::string_view spelling) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  // A token with a character outside the byte-level alphabet stands for its own text.
  std::optional<std::string> bytes = BytesOfSpelling(spelling);
  tokens_[index].bytes = bytes ? std::move(*bytes) : std::string(spelling);
  tokens_[index].special = special_.contains(std::string(spelling));
}

std::optional<std::int32_t> Vocabulary::Find(std::string_view spelling) const {
  const auto found = added_ids_.find(spelling);
  return found == added_ids_.end() ? FindInModel(spelling) : found->second;
}

std::optional<std::int32_t> Vocabulary::FindInModel(std::string_view spelling) const {
  const auto found = model_ids_.find(spelling);
  if (found == model_ids_.end()) return std::nullopt;
  return found->second;
}

std::string_view Vocabulary::Bytes(std::int32_t id) const {
  return id >= 0 && id < size() ? tokens_[static_cast<std::size_t>(id)].bytes : std::string_view();
}

bool Vocabulary::IsSpecial(std::int32_t id) const {
  return id >= 0 && id < size() && tokens_[static_cast<std::size_t>(id)].special;
}

std::vector<Vocabulary::Pattern> Vocabulary::Patterns() const {
  std::vector<Pattern> patterns;
  for (const auto& [id, token] : added_) {
    const auto changed = normalized_.find(id);
    const bool by_normalized = token.normalized && changed != normalized_.end();
    patterns.push_back({id, by_normalized ? changed->second : token.content, token});
  }
  return patterns;
}

}  // namespace lockstep
