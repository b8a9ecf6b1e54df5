#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "runtime/options/option_types.h"

namespace lockstep {

// What a line may have.
struct LineRules {
  std::vector<std::string> known;  // fields, the most important one first
  UnknownFields unknown = UnknownFields::kRefuse;
  // Fields that the answer has, so that none that is passed through may be called so.
  std::vector<std::string> answer = {};
};

// One object of a JSON lines file, with the checks that all commands share.
class LineFields {
 public:
  // Fields that other programs have for what ours are called (synonyms.h) get our names. Throws
  // BadInput naming `where` when the line is no JSON object or has a field that is not known; then
  // the nearest known one is named too.
  LineFields(std::string_view line, const std::string& where, const LineRules& rules);
  LineFields(Json object, std::string where, const LineRules& rules);

  const std::string& where() const { return where_; }
  const Json& object() const { return object_; }
  // An object of the fields that are not known and are passed through.
  const Json& passed() const { return passed_; }

  // The id as given, or `fallback`. Throws BadInput when it is neither string nor integer.
  Json Id(std::int64_t fallback) const;
  // The member, unless it is missing or null.
  const Json* Find(std::string_view name) const;
  // An integer, which may be written 3.0; the same as all options. Throws BadInput.
  std::optional<std::int64_t> Integer(std::string_view name, const IntegerType& type) const;
  // True or false; false where it is missing. Throws BadInput.
  bool Flag(std::string_view name) const;
  // Token ids from 0 to 2^31 - 1. Throws BadInput.
  std::optional<std::vector<std::int32_t>> Tokens(std::string_view name) const;
  // An object {"id": number, ...}, as OpenAI's logit_bias.
  std::optional<std::vector<std::pair<std::int32_t, double>>> Biases(std::string_view name) const;

 private:
  void Rename(const std::string& name, const std::string& same);
  void TakeUnknown(const std::string& name, const LineRules& rules);

  std::string where_;
  Json object_;
  Json passed_ = Json::object();
};

// Whether a line has nothing but spaces.
bool IsBlank(std::string_view line);

}  // namespace lockstep
