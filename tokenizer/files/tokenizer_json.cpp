#include "tokenizer/files/tokenizer_json.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "tokenizer/byte_level.h"

namespace lockstep {
namespace {

const Json& Member(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

const Json& RequireObject(const Json& value, std::string_view where) {
  if (!value.is_object())
    throw BadInput("{}: {} stands where an object was expected", where, value.type_name());
  return value;
}

const Json& RequireArray(const Json& value, std::string_view where) {
  if (!value.is_array())
    throw BadInput("{}: {} stands where a list was expected", where, value.type_name());
  return value;
}

bool RequireBool(const Json& object, std::string_view key, std::string_view where) {
  const std::optional<bool> value = FindBool(object, key, where);
  if (!value) throw BadInput("{}: \"{}\" is missing; expected true or false", where, key);
  return *value;
}

std::string TypeOf(const Json& part, std::string_view where) {
  return FindString(RequireObject(part, where), "type", where).value_or("without a type");
}

// JSON for a message: the beginning is enough to find it in the file.
std::string Excerpt(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

Error Unsupported(std::string_view where, std::string_view found, std::string_view expected) {
  return BadInput("{}: {} is not supported; expected {} (byte-level BPE of GPT-2 or GPT-NeoX)",
                  where, found, expected);
}

void ReadNormalizer(const Json& part, const std::string& where, TokenizerSpec& spec) {
  if (part.is_null()) return;
  const std::string type = TypeOf(part, where);
  if (type == "Sequence") {
    for (const Json& inner : RequireArray(Member(part, "normalizers"), where + ".normalizers"))
      ReadNormalizer(inner, where, spec);
  } else if (type == "NFC") {
    spec.normalization = Normalization::kNfc;
  } else {
    throw Unsupported(where, type, "NFC, or null");
  }
}

void ReadPreTokenizer(const Json& part, const std::string& where, TokenizerSpec& spec) {
  const std::string type = part.is_null() ? "null" : TypeOf(part, where);
  if (type != "ByteLevel") throw Unsupported(where, type, "ByteLevel");
  if (RequireBool(part, "add_prefix_space", where)) spec.prefix_space = PrefixSpace::kAdd;
  if (!FindBool(part, "use_regex", where).value_or(true))
    spec.word_splitting = WordSplitting::kWholeText;
}

void CheckDecoder(const Json& part, const std::string& where) {
  const std::string type = part.is_null() ? "null" : TypeOf(part, where);
  if (type != "ByteLevel") throw Unsupported(where, type, "ByteLevel");
}

// A template adds nothing when it consists of the text alone.
void CheckTemplate(const Json& part, const std::string& where) {
  for (const Json& item : RequireArray(Member(part, "single"), where + ".single"))
    if (!item.is_object() || !item.contains("Sequence") || item.size() != 1)
      throw Unsupported(where, "TemplateProcessing that adds " + Excerpt(item),
                        "a template that adds no tokens");
  if (Member(part, "single").size() != 1)
    throw Unsupported(where, "TemplateProcessing that repeats or drops the text",
                      "a template that adds no tokens");
}

void CheckPostProcessor(const Json& part, const std::string& where) {
  if (part.is_null()) return;
  const std::string type = TypeOf(part, where);
  if (type == "ByteLevel") return;  // it moves offsets only
  if (type == "TemplateProcessing") return CheckTemplate(part, where);
  if (type != "Sequence") throw Unsupported(where, type, "ByteLevel, or null");
  for (const Json& inner : RequireArray(Member(part, "processors"), where + ".processors"))
    CheckPostProcessor(inner, where);
}

// Options that only matter for a byte that the vocabulary has no token for.
void CheckUnknownBytes(const Json& model, const std::string& where, const TokenizerSpec& spec) {
  const std::optional<std::string> unknown = FindString(model, "unk_token", where);
  const bool fallback = FindBool(model, "byte_fallback", where).value_or(false);
  if (!unknown && !fallback) return;
  std::vector<std::string_view> spellings;
  for (const auto& [spelling, id] : spec.vocabulary) spellings.push_back(spelling);
  std::sort(spellings.begin(), spellings.end());
  const auto is_token = [&](const std::string& spelling) {
    return std::binary_search(spellings.begin(), spellings.end(), std::string_view(spelling));
  };
  for (const std::string& byte : ByteSpellings())
    if (!is_token(byte))
      throw BadInput(
          "{}: {} with a vocabulary that lacks the byte \"{}\" is not supported; expected all "
          "256 bytes, or \"unk_token\": null and \"byte_fallback\": false",
          where, unknown ? "\"unk_token\"" : "\"byte_fallback\"", byte);
}

void CheckModelType(const Json& model, const std::string& where) {
  if (const std::string type = FindString(model, "type", where).value_or("BPE"); type != "BPE")
    throw Unsupported(where, type, "BPE");
}

void CheckModelOptions(const Json& model, const std::string& where) {
  if (FindNumber(model, "dropout", where).value_or(0) != 0)
    throw Unsupported(where, "\"dropout\"", "null: the same text must give the same tokens");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!FindString(model, key, where).value_or("").empty())
      throw Unsupported(where, fmt::format("\"{}\"", key), "null");
}

void ReadMerges(const Json& merges, const std::string& where, TokenizerSpec& spec) {
  // One file is written in one way: strings, or pairs.
  const bool lines = !RequireArray(merges, where).empty() && merges[0].is_string();
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const Json& merge = merges[i];
    const std::string place = fmt::format("{}[{}]", where, i);
    if (lines && merge.is_string()) {
      AddMergeLine(merge.get_ref<const std::string&>(), place, spec);
    } else if (!lines && merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      throw BadInput("{} is {}; expected {}, as in the first merge", place, Excerpt(merge),
                     lines ? "\"left right\"" : "[\"left\", \"right\"]");
    }
  }
}

void ReadModelOptions(const Json& model, const std::string& where, TokenizerSpec& spec) {
  CheckModelOptions(model, where);
  spec.ignore_merges = FindBool(model, "ignore_merges", where).value_or(false);
  CheckUnknownBytes(model, where, spec);
}

}  // namespace

void ReadVocabulary(const Json& vocabulary, TokenizerSpec& spec) {
  std::vector<std::int32_t> ids;
  for (const auto& [spelling, value] : vocabulary.items()) {
    const bool fits = value.is_number_unsigned() &&
                      value.get<std::uint64_t>() < static_cast<std::uint64_t>(kTokenIdLimit);
    if (!fits)
      throw BadInput("{}: the token \"{}\" has the id {}; expected an integer from 0 to {}",
                     spec.where, spelling, Excerpt(value), kTokenIdLimit - 1);
    spec.vocabulary.emplace_back(spelling, value.get<std::int32_t>());
    ids.push_back(value.get<std::int32_t>());
  }
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end())
    throw BadInput(
        "{}: two tokens of the vocabulary have the id {}; expected one token for each id",
        spec.where, *twice);
}

void AddMergeLine(std::string_view line, std::string_view where, TokenizerSpec& spec) {
  if (line.starts_with("#version")) return;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    throw BadInput("{}: \"{}\" is no merge; expected two tokens with one space between them", where,
                   line);
  spec.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
}

AddedToken ReadAddedToken(const Json& token, std::string_view where) {
  const std::optional<std::string> content =
      FindString(RequireObject(token, where), "content", where);
  if (!content) throw BadInput("{}: \"content\" is missing; expected the token's text", where);
  return {.content = *content,
          .single_word = RequireBool(token, "single_word", where),
          .lstrip = RequireBool(token, "lstrip", where),
          .rstrip = RequireBool(token, "rstrip", where),
          .normalized = RequireBool(token, "normalized", where),
          .special = RequireBool(token, "special", where)};
}

std::vector<TokenizerSpec::Added> ReadAddedTokens(const Json& document, std::string_view where) {
  const Json& tokens = Member(document, "added_tokens");
  std::vector<TokenizerSpec::Added> added;
  if (tokens.is_null()) return added;
  const std::string list = fmt::format("{}: added_tokens", where);
  for (std::size_t i = 0; i < RequireArray(tokens, list).size(); ++i) {
    const std::string place = fmt::format("{}[{}]", list, i);
    AddedToken token = ReadAddedToken(tokens[i], place);
    const std::optional<std::int64_t> id = FindInt(tokens[i], "id", place);
    if (!id || *id < 0)
      throw BadInput("{}: \"id\" is {}; expected a token id from 0", place,
                     id ? std::to_string(*id) : "missing");
    added.push_back({*id, std::move(token)});
  }
  return added;
}

void RefuseTemplates(const Json& document, std::string_view where) {
  CheckPostProcessor(Member(document, "post_processor"), fmt::format("{}: post_processor", where));
}

TokenizerSpec ReadTokenizerModel(const Json& document, std::string_view where) {
  TokenizerSpec spec;
  spec.where = where;
  const std::string place = fmt::format("{}: model", where);
  const Json& model = RequireObject(Member(RequireObject(document, where), "model"), place);
  CheckModelType(model, place);
  ReadVocabulary(RequireObject(Member(model, "vocab"), place + ".vocab"), spec);
  ReadMerges(Member(model, "merges"), place + ".merges", spec);
  return spec;
}

TokenizerSpec ReadTokenizerJson(const Json& document, std::string_view where) {
  const auto part = [&](const char* key) { return fmt::format("{}: {}", where, key); };
  if (const std::string version =
          FindString(RequireObject(document, where), "version", where).value_or("1.0");
      version != "1.0")
    throw BadInput("{}: version \"{}\" is not known; expected \"1.0\"", where, version);
  TokenizerSpec spec = ReadTokenizerModel(document, where);
  ReadModelOptions(Member(document, "model"), part("model"), spec);
  ReadNormalizer(Member(document, "normalizer"), part("normalizer"), spec);
  ReadPreTokenizer(Member(document, "pre_tokenizer"), part("pre_tokenizer"), spec);
  RefuseTemplates(document, where);
  CheckDecoder(Member(document, "decoder"), part("decoder"));
  spec.added = ReadAddedTokens(document, where);
  return spec;
}

TokenizerSpec ParseTokenizerJson(std::string_view json, std::string_view where) {
  return ReadTokenizerJson(ParseJson(json, where), where);
}

}  // namespace lockstep
