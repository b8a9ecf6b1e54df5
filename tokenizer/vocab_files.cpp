#include "tokenizer/vocab_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "tokenizer/tokenizer_json.h"

namespace lockstep {
namespace {

// The tokens that have a role, in the order in which they get their ids.
constexpr std::array<const char*, 7> kRoles = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};

struct Folder {
  std::filesystem::path path;
  std::string Where(const char* file) const { return (path / file).string(); }

  // The object in the file, empty when there is no such file.
  Json Read(const char* file) const {
    if (!std::filesystem::exists(path / file)) return Json::object();
    Json json = ParseJson(ReadFile(path / file), Where(file));
    if (!json.is_object())
      throw BadInput("{}: {} stands where an object was expected", Where(file), json.type_name());
    return json;
  }
};

// A token is written as its text, or as an object with flags. The same token written in both ways
// counts as two, of which the later one has the last word.
enum class Writing { kText, kObject };

struct SpecialToken {
  AddedToken token;
  Writing writing;

  bool operator==(const SpecialToken&) const = default;
};

struct SpecialTokenMap {
  std::map<std::string_view, SpecialToken> by_role;
  std::vector<SpecialToken> extra;

  bool HasRole(const std::string& content) const {
    return std::any_of(by_role.begin(), by_role.end(),
                       [&](const auto& entry) { return entry.second.token.content == content; });
  }
  bool Contains(const std::string& content) const {
    return HasRole(content) || std::any_of(extra.begin(), extra.end(), [&](const auto& entry) {
             return entry.token.content == content;
           });
  }
};

AddedToken SpecialText(const std::string& content) {
  return {.content = content, .normalized = false, .special = true};
}

// The flags that an object does not name have their usual values.
AddedToken ReadFlags(const Json& value, const std::string& where) {
  if (!value.is_object())
    throw BadInput("{}: {} stands where a token was expected", where, value.type_name());
  const auto flag = [&](const char* key) { return FindBool(value, key, where).value_or(false); };
  const std::optional<std::string> content = FindString(value, "content", where);
  if (!content) throw BadInput("{}: \"content\" is missing; expected the token's text", where);
  return {.content = *content,
          .single_word = flag("single_word"),
          .lstrip = flag("lstrip"),
          .rstrip = flag("rstrip"),
          .normalized = FindBool(value, "normalized", where).value_or(!flag("special")),
          .special = flag("special")};
}

SpecialToken ReadSpecial(const Json& value, const std::string& where) {
  if (value.is_string()) return {SpecialText(value.get<std::string>()), Writing::kText};
  return {ReadFlags(value, where), Writing::kObject};
}

void ReadRoles(const Json& json, const std::string& where, SpecialTokenMap& special) {
  for (const char* role : kRoles) {
    const auto found = json.find(role);
    if (found == json.end()) continue;
    special.by_role.erase(role);
    if (!found->is_null()) special.by_role.emplace(role, ReadSpecial(*found, where + ": " + role));
  }
}

void ReadExtra(const Json& json, const char* key, const std::string& where,
               SpecialTokenMap& special) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return;
  if (!found->is_array())
    throw BadInput("{}: \"{}\" is of type {}; expected a list of tokens", where, key,
                   found->type_name());
  for (const Json& value : *found) special.extra.push_back(ReadSpecial(value, where + ": " + key));
}

enum class Family { kGpt2, kGptNeoX };

Family FamilyOf(const Folder& folder, const Json& config) {
  const std::string where = folder.Where("tokenizer_config.json");
  const std::string name = FindString(config, "tokenizer_class", where).value_or("");
  if (name.starts_with("GPTNeoXTokenizer")) return Family::kGptNeoX;
  if (name.starts_with("GPT2Tokenizer")) return Family::kGpt2;
  if (!name.empty())
    throw BadInput(
        "{}: tokenizer_class {} is not supported; expected GPT2Tokenizer or "
        "GPTNeoXTokenizer, or a tokenizer.json beside it",
        where, name);
  const std::string model =
      FindString(folder.Read("config.json"), "model_type", folder.Where("config.json"))
          .value_or("");
  return model == "gpt_neox" ? Family::kGptNeoX : Family::kGpt2;
}

void ReadOptions(const Json& config, const std::string& where, TokenizerSpec& spec) {
  for (const char* key : {"add_bos_token", "add_eos_token"})
    if (FindBool(config, key, where).value_or(false))
      throw BadInput(
          "{}: \"{}\": true is not supported; expected false: put the token into the "
          "text where it is wanted",
          where, key);
  if (FindBool(config, "add_prefix_space", where).value_or(false))
    spec.prefix_space = PrefixSpace::kAdd;
}

std::int64_t ParseId(const std::string& text, const std::string& where) {
  const bool digits =
      !text.empty() && text.size() <= 9 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) throw BadInput("{}: \"{}\" is no token id; expected an integer", where, text);
  return std::stoll(text);
}

// The newer way: all added tokens in tokenizer_config.json, by id.
std::vector<TokenizerSpec::Added> FromDecoder(const Json& decoder, const std::string& where) {
  if (!decoder.is_object())
    throw BadInput("{}: {} stands where an object was expected", where, decoder.type_name());
  std::vector<TokenizerSpec::Added> added;
  for (const auto& [id, token] : decoder.items())
    added.push_back({ParseId(id, where), ReadFlags(token, where + "[" + id + "]")});
  return added;
}

// The older way: texts and ids in added_tokens.json, what they are for in special_tokens_map.json.
std::vector<TokenizerSpec::Added> FromAddedTokens(const Folder& folder,
                                                  const SpecialTokenMap& special) {
  std::vector<TokenizerSpec::Added> added;
  const Json tokens = folder.Read("added_tokens.json");
  for (const auto& [content, id] : tokens.items()) {
    if (!id.is_number_unsigned())
      throw BadInput("{}: the token \"{}\" has the id {}; expected an integer from 0",
                     folder.Where("added_tokens.json"), content, DumpJson(id));
    const bool is_special = special.Contains(content);
    added.push_back({FindInt(tokens, content, folder.Where("added_tokens.json")).value(),
                     {.content = content, .normalized = !is_special, .special = is_special}});
  }
  return added;
}

// Appends the special tokens that are not added tokens already.
void AddSpecial(const SpecialTokenMap& special, std::vector<TokenizerSpec::Added>& added) {
  std::vector<SpecialToken> candidates;
  for (const char* role : kRoles)
    if (const auto found = special.by_role.find(role); found != special.by_role.end())
      candidates.push_back(found->second);
  candidates.insert(candidates.end(), special.extra.begin(), special.extra.end());

  const std::size_t given = added.size();
  for (auto candidate = candidates.begin(); candidate != candidates.end(); ++candidate) {
    const bool known =
        std::any_of(added.begin(), added.begin() + static_cast<std::ptrdiff_t>(given),
                    [&](const TokenizerSpec::Added& entry) {
                      return entry.token.content == candidate->token.content;
                    });
    if (!known && std::find(candidates.begin(), candidate, *candidate) == candidate)
      added.push_back({TokenizerSpec::Added::kNoId, candidate->token});
  }
  for (TokenizerSpec::Added& entry : added)
    if (special.HasRole(entry.token.content)) entry.token.special = true;
}

void ReadAdded(const Folder& folder, const Json& config, Family family, TokenizerSpec& spec) {
  const std::string where = folder.Where("tokenizer_config.json");
  SpecialTokenMap special;
  ReadRoles(config, where, special);
  ReadExtra(config,
            config.contains("extra_special_tokens") ? "extra_special_tokens"
                                                    : "additional_special_tokens",
            where, special);
  const Json map = config.contains("added_tokens_decoder") ? Json::object()
                                                           : folder.Read("special_tokens_map.json");
  if (config.contains("added_tokens_decoder")) {
    spec.added = FromDecoder(config["added_tokens_decoder"], where + ": added_tokens_decoder");
  } else {
    const std::string map_where = folder.Where("special_tokens_map.json");
    ReadRoles(map, map_where, special);
    ReadExtra(map, "extra_special_tokens", map_where, special);
    spec.added = FromAddedTokens(folder, special);
    ReadExtra(map, "additional_special_tokens", map_where, special);
  }
  std::sort(spec.added.begin(), spec.added.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });

  const auto set_default = [&](const char* role, const char* content) {
    if (!config.contains(role) && !map.contains(role))
      special.by_role.emplace(role, SpecialToken{SpecialText(content), Writing::kText});
  };
  for (const char* role : {"bos_token", "eos_token", "unk_token"})
    set_default(role, "<|endoftext|>");
  if (family == Family::kGptNeoX) set_default("pad_token", "<|padding|>");
  AddSpecial(special, spec.added);
}

void ReadMergeFile(const Folder& folder, TokenizerSpec& spec) {
  const std::string text = ReadFile(folder.path / "merges.txt");
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    AddMergeLine(line, fmt::format("{}:{}", folder.Where("merges.txt"), ++number), spec);
    begin = end + 1;
  }
}

}  // namespace

TokenizerSpec ReadVocabFiles(const std::filesystem::path& path) {
  const Folder folder{path};
  for (const char* file : {"vocab.json", "merges.txt"})
    if (!std::filesystem::exists(path / file))
      throw BadInput(
          "{}: no tokenizer.json, and no {}; expected the one, or vocab.json with "
          "merges.txt",
          path.string(), file);
  TokenizerSpec spec;
  spec.where = folder.Where("vocab.json");
  const Json config = folder.Read("tokenizer_config.json");
  const Family family = FamilyOf(folder, config);
  if (family == Family::kGptNeoX) spec.normalization = Normalization::kNfc;
  ReadOptions(config, folder.Where("tokenizer_config.json"), spec);
  ReadVocabulary(folder.Read("vocab.json"), spec);
  ReadMergeFile(folder, spec);
  ReadAdded(folder, config, family, spec);
  return spec;
}

}  // namespace lockstep
