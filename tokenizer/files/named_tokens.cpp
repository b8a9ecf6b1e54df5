#include "tokenizer/files/named_tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tokenizer/files/tokenizer_json.h"

namespace lockstep {
namespace {

using Added = TokenizerSpec::Added;

// The tokens that every class has a name for, in the order in which they get their ids.
constexpr std::array<std::string_view, 7> kRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

template <typename T>
bool Contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool IsRole(std::string_view key) {
  return std::find(kRoles.begin(), kRoles.end(), key) != kRoles.end();
}

// A token is written as its text, or as an object with flags. The same token written in both ways
// counts as two, of which the later one has the last word.
enum class Writing { kText, kObject };

struct SpecialToken {
  AddedToken token;
  Writing writing;
  bool implied = false;  // by the class

  bool operator==(const SpecialToken& other) const {
    return token == other.token && writing == other.writing;
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

// In special_tokens_map.json every object is a special token.
SpecialToken ReadMapped(Json value, const std::string& where) {
  if (value.is_object()) value["special"] = true;
  return ReadSpecial(value, where);
}

// The keys of an object as the file has them: ids follow their order.
std::vector<std::string> KeysInOrder(const TokenizerFiles& files, std::string_view file,
                                     std::string_view inside = "") {
  const auto found = files.texts.find(file);
  if (found == files.texts.end()) return {};
  const auto document = nlohmann::ordered_json::parse(found->second);
  const nlohmann::ordered_json* object = &document;
  if (!inside.empty()) object = &document.at(std::string(inside));
  std::vector<std::string> keys;
  for (const auto& [key, value] : object->items()) keys.push_back(key);
  return keys;
}

class NamedTokens {
 public:
  NamedTokens(const TokenizerFiles& files, const RoleDefaults& defaults)
      : files_(files), config_(files.Object(kConfig)) {
    ReadRoles(config_, kConfig, ReadSpecial);
    ReadOwnRoles(config_, kConfig);
    ReadConfigExtra();
    if (config_.contains("added_tokens_decoder")) {
      ReadDecoder(config_["added_tokens_decoder"]);
    } else {
      ReadOlderFiles();
    }
    std::stable_sort(listed_.begin(), listed_.end(),
                     [](const Added& a, const Added& b) { return a.id < b.id; });
    for (const auto& [role, content] : defaults)
      if (!seen_.contains(std::string(role)))
        roles_[std::string(role)] = {SpecialText(content), Writing::kText, true};
  }

  std::map<std::string, std::string> RoleTexts() const {
    std::map<std::string, std::string> texts;
    for (const auto& [role, token] : own_roles_) texts[role] = token.token.content;
    for (const auto& [role, token] : roles_) texts[role] = token.token.content;
    return texts;
  }

  // After what is there already.
  void AppendTo(std::vector<Added>& added) const {
    const std::size_t first_new = added.size();
    std::map<std::string, std::vector<AddedToken>> there;
    for (const Added& old : added) there[old.token.content].push_back(old.token);
    for (const Added& one : listed_) {
      const auto same = there.find(one.token.content);
      if (same == there.end() || !Contains(same->second, one.token)) added.push_back(one);
    }
    for (const Added& one : listed_) there[one.token.content];
    std::map<std::string, std::vector<SpecialToken>> before;
    for (const SpecialToken& one : Special()) {
      std::vector<SpecialToken>& alike = before[one.token.content];
      if (!there.contains(one.token.content) && !Contains(alike, one))
        added.push_back({Added::kNoId, one.token, one.implied});
      alike.push_back(one);
    }
    for (std::size_t i = first_new; i < added.size(); ++i)
      if (HasRole(added[i].token.content)) added[i].token.special = true;
  }

 private:
  static constexpr std::string_view kConfig = "tokenizer_config.json";
  static constexpr std::string_view kMap = "special_tokens_map.json";
  static constexpr std::string_view kAdded = "added_tokens.json";

  template <typename Read>
  void ReadRoles(const Json& json, std::string_view file, Read read) {
    for (const std::string_view name : kRoles) {
      const std::string role(name);
      const auto found = json.find(role);
      if (found == json.end()) continue;
      seen_.insert(role);
      roles_.erase(role);
      if (!found->is_null()) roles_[role] = read(*found, files_.Where(file) + ": " + role);
    }
  }

  // "image_token" and the like: whatever ends so and is a token.
  void ReadOwnRoles(const Json& json, std::string_view file) {
    for (const std::string& key : KeysInOrder(files_, file)) {
      const Json& value = json[key];
      const bool token = value.is_string() || (value.is_object() && value.contains("content"));
      if (IsRole(key) || !key.ends_with("_token") || !token) continue;
      SetOwnRole(key, ReadSpecial(value, files_.Where(file) + ": " + key));
    }
  }

  void SetOwnRole(const std::string& role, SpecialToken token) {
    const auto found = std::find_if(own_roles_.begin(), own_roles_.end(),
                                    [&](const auto& entry) { return entry.first == role; });
    if (found == own_roles_.end()) {
      own_roles_.emplace_back(role, std::move(token));
    } else {
      found->second = std::move(token);
    }
  }

  void ReadConfigExtra() {
    const auto extra = config_.find("extra_special_tokens");
    const bool given = extra != config_.end() && !extra->is_null() && !extra->empty();
    ReadExtra(config_, given ? "extra_special_tokens" : "additional_special_tokens", kConfig);
  }

  // A list of tokens, or an object that names them.
  void ReadExtra(const Json& json, const char* key, std::string_view file) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return;
    const std::string where = files_.Where(file) + ": " + key;
    if (found->is_object() && std::string_view(key) == "extra_special_tokens") {
      for (const std::string& role : KeysInOrder(files_, file, key))
        SetOwnRole(role, ReadSpecial((*found)[role], where));
      return;
    }
    if (!found->is_array())
      throw BadInput("{}: \"{}\" is of type {}; expected a list of tokens", files_.Where(file), key,
                     found->type_name());
    for (const Json& value : *found)
      extra_.push_back(file == kMap ? ReadMapped(value, where) : ReadSpecial(value, where));
  }

  // The newer way: all added tokens by id.
  void ReadDecoder(const Json& decoder) {
    const std::string where = files_.Where(kConfig) + ": added_tokens_decoder";
    if (!decoder.is_object())
      throw BadInput("{}: {} stands where an object was expected", where, decoder.type_name());
    for (const auto& [id, token] : decoder.items())
      listed_.push_back({ParseId(id, where), ReadFlags(token, where + "[" + id + "]")});
  }

  static std::int64_t ParseId(const std::string& text, const std::string& where) {
    const bool digits =
        !text.empty() && text.size() <= 9 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) throw BadInput("{}: \"{}\" is no token id; expected an integer", where, text);
    return std::stoll(text);
  }

  // The older way: texts and ids in added_tokens.json, what they are for in
  // special_tokens_map.json; tokenizer.json has the last word for an id.
  void ReadOlderFiles() {
    const Json map = files_.Object(kMap);
    ReadRoles(map, kMap, ReadMapped);
    ReadOwnRoles(map, kMap);
    ReadExtra(map, "extra_special_tokens", kMap);
    std::map<std::int64_t, AddedToken> by_id;
    const Json tokens = files_.Object(kAdded);
    for (const auto& [content, id] : tokens.items()) {
      if (!id.is_number_unsigned())
        throw BadInput("{}: the token \"{}\" has the id {}; expected an integer from 0",
                       files_.Where(kAdded), content, DumpJson(id));
      const bool special = IsNamed(content);
      by_id[FindInt(tokens, content, files_.Where(kAdded)).value()] = {
          .content = content, .normalized = !special, .special = special};
    }
    for (const Added& added :
         ReadAddedTokens(files_.Object("tokenizer.json"), files_.Where("tokenizer.json")))
      by_id[added.id] = added.token;
    for (const auto& [id, token] : by_id) listed_.push_back({id, token});
    ReadExtra(map, "additional_special_tokens", kMap);
  }

  // Special tokens that a role or a list of tokenizer_config.json or the map names.
  bool IsNamed(const std::string& content) const {
    const auto same = [&](const SpecialToken& one) { return one.token.content == content; };
    return std::any_of(roles_.begin(), roles_.end(),
                       [&](const auto& entry) { return same(entry.second); }) ||
           std::any_of(extra_.begin(), extra_.end(), same);
  }

  bool HasRole(const std::string& content) const {
    const auto same = [&](const auto& entry) { return entry.second.token.content == content; };
    return std::any_of(roles_.begin(), roles_.end(), same) ||
           std::any_of(own_roles_.begin(), own_roles_.end(), same);
  }

  std::vector<SpecialToken> Special() const {
    std::vector<SpecialToken> special;
    for (const std::string_view role : kRoles)
      if (const auto found = roles_.find(std::string(role)); found != roles_.end())
        special.push_back(found->second);
    for (const auto& [role, token] : own_roles_) special.push_back(token);
    special.insert(special.end(), extra_.begin(), extra_.end());
    return special;
  }

  const TokenizerFiles& files_;
  Json config_;
  std::vector<Added> listed_;                                    // with ids, ascending
  std::map<std::string, SpecialToken> roles_;                    // those of kRoles
  std::vector<std::pair<std::string, SpecialToken>> own_roles_;  // in the order of the files
  std::vector<SpecialToken> extra_;
  std::set<std::string> seen_;  // roles that a file has, be it with null
};

}  // namespace

void AddNamedTokens(const TokenizerFiles& files, const RoleDefaults& defaults,
                    TokenizerSpec& spec) {
  NamedTokens(files, defaults).AppendTo(spec.added);
}

std::map<std::string, std::string> RoleTexts(const TokenizerFiles& files,
                                             const RoleDefaults& defaults) {
  return NamedTokens(files, defaults).RoleTexts();
}

}  // namespace lockstep
