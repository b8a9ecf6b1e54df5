#include "tokenizer/files/tokenizer_folder.h"

#include <array>

#include "core/error.h"
#include "core/files/file.h"
#include "tokenizer/files/named_tokens.h"
#include "tokenizer/files/tokenizer_json.h"
#include "tokenizer/files/vocab_files.h"

namespace lockstep {
namespace {

constexpr std::string_view kTokenizer = "tokenizer.json";
constexpr std::string_view kOptions = "tokenizer_config.json";
constexpr std::string_view kModel = "config.json";

enum class Class { kGpt2, kGptNeoX, kOther };

struct ClassName {
  Class kind;
  std::string name;  // as a file has it; empty where none does
};

ClassName ClassThatIsNamed(const TokenizerFiles& files, const Json& options, const Json& model) {
  constexpr std::string_view kKey = "tokenizer_class";
  std::string name = FindString(options, kKey, files.Where(kOptions)).value_or("");
  if (name.empty()) name = FindString(model, kKey, files.Where(kModel)).value_or("");
  const std::string_view stem =
      name.ends_with("Fast") ? std::string_view(name).substr(0, name.size() - 4) : name;
  if (stem == "GPTNeoXTokenizer") return {Class::kGptNeoX, name};
  if (stem == "GPT2Tokenizer") return {Class::kGpt2, name};
  if (!name.empty()) return {Class::kOther, name};
  const std::string type = FindString(model, "model_type", files.Where(kModel)).value_or("");
  if (type == "gpt_neox") return {Class::kGptNeoX, ""};
  const bool gpt2 = type == "gptj" || type == "gpt2" || type == "gpt_neo";
  return {gpt2 ? Class::kGpt2 : Class::kOther, ""};
}

// Without a tokenizer.json there has to be a class, and GPT-2's is the usual one.
ClassName ClassOf(const TokenizerFiles& files, const Json& options, const Json& model) {
  ClassName named = ClassThatIsNamed(files, options, model);
  const bool none = named.name.empty() && named.kind == Class::kOther;
  if (none && !files.Has(kTokenizer)) named.kind = Class::kGpt2;
  return named;
}

void RefuseAddedEnds(const TokenizerFiles& files, const Json& options) {
  for (const char* key : {"add_bos_token", "add_eos_token"})
    if (FindBool(options, key, files.Where(kOptions)).value_or(false))
      throw BadInput(
          "{}: \"{}\": true is not supported; expected false: put the token into the "
          "text where it is wanted",
          files.Where(kOptions), key);
}

// What both classes make of a vocabulary, wherever it comes from.
void ReadClassOptions(const TokenizerFiles& files, const Json& options, Class kind,
                      TokenizerSpec& spec) {
  if (kind == Class::kGptNeoX) spec.normalization = Normalization::kNfc;
  if (FindBool(options, "add_prefix_space", files.Where(kOptions)).value_or(false))
    spec.prefix_space = PrefixSpace::kAdd;
}

TokenizerSpec FromVocabFiles(const TokenizerFiles& files, const Json& options,
                             const ClassName& named) {
  if (named.kind == Class::kOther && !named.name.empty())
    throw BadInput(
        "{}: tokenizer_class {} is not supported; expected GPT2Tokenizer or "
        "GPTNeoXTokenizer, or a tokenizer.json beside it",
        files.Where(kOptions), named.name);
  TokenizerSpec spec = ReadVocabFiles(files);
  RefuseAddedEnds(files, options);
  ReadClassOptions(files, options, named.kind, spec);
  return spec;
}

TokenizerSpec FromTokenizerJson(const TokenizerFiles& files, const Json& document,
                                const Json& options, Class kind) {
  const std::string where = files.Where(kTokenizer);
  if (kind == Class::kOther) return ReadTokenizerJson(document, where);
  TokenizerSpec spec = ReadTokenizerModel(document, where);
  ReadClassOptions(files, options, kind, spec);
  if (kind == Class::kGpt2) RefuseTemplates(document, where);  // GPT-NeoX makes its own
  return spec;
}

// The tokens that the class names where no file does, the key being there or not.
RoleDefaults DefaultsOf(Class kind, const Json& document) {
  RoleDefaults defaults;
  if (kind == Class::kOther) {
    const auto padding = document.find("padding");
    const auto has = padding != document.end() && padding->is_object() &&
                     padding->contains("pad_token") && (*padding)["pad_token"].is_string();
    if (has) defaults["pad_token"] = (*padding)["pad_token"].get<std::string>();
    return defaults;
  }
  for (const char* role : {"bos_token", "eos_token", "unk_token"}) defaults[role] = "<|endoftext|>";
  if (kind == Class::kGptNeoX) defaults["pad_token"] = "<|padding|>";
  return defaults;
}

}  // namespace

std::string TokenizerFiles::Where(std::string_view file) const {
  return (std::filesystem::path(folder) / file).string();
}

Json TokenizerFiles::Object(std::string_view file) const {
  const auto found = texts.find(file);
  if (found == texts.end()) return Json::object();
  Json json = ParseJson(found->second, Where(file));
  if (!json.is_object())
    throw BadInput("{}: {} stands where an object was expected", Where(file), json.type_name());
  return json;
}

TokenizerFiles ReadTokenizerFiles(const std::filesystem::path& folder) {
  TokenizerFiles files{.folder = folder.string(), .texts = {}};
  const auto read = [&](const char* file) {
    if (FileExists(folder / file)) files.texts.emplace(file, ReadFile(folder / file));
  };
  read("tokenizer.json");
  if (!files.Has(kTokenizer))
    for (const char* file : {"vocab.json", "merges.txt"}) read(file);
  for (const char* file :
       {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"})
    read(file);
  return files;
}

TokenizerSpec ParseTokenizerFiles(const TokenizerFiles& files) {
  const Json options = files.Object(kOptions);
  const Json model = files.Object(kModel);
  const Json document = files.Object(kTokenizer);
  const bool has_json = files.Has(kTokenizer);
  const ClassName named = ClassOf(files, options, model);
  TokenizerSpec spec = has_json ? FromTokenizerJson(files, document, options, named.kind)
                                : FromVocabFiles(files, options, named);
  if (FindBool(options, "split_special_tokens", files.Where(kOptions)).value_or(false))
    spec.special_in_text = SpecialInText::kIsText;
  AddNamedTokens(files, DefaultsOf(named.kind, document), spec);
  return spec;
}

std::map<std::string, std::string> SpecialTokenTexts(const TokenizerFiles& files) {
  const ClassName named = ClassOf(files, files.Object(kOptions), files.Object(kModel));
  return RoleTexts(files, DefaultsOf(named.kind, files.Object(kTokenizer)));
}

}  // namespace lockstep
