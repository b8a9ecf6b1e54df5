#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace lockstep {

// One object of a JSON lines file, with the checks that all commands share.
class LineFields {
 public:
  // Throws BadInput naming `where` when the line is no JSON object or has a field that is not in
  // `known`; then the nearest known one is named too.
  LineFields(std::string_view line, std::string where, std::initializer_list<const char*> known);

  const std::string& where() const { return where_; }
  const Json& object() const { return object_; }

  // The id as given, or `fallback`. Throws BadInput when it is neither string nor integer.
  Json Id(std::int64_t fallback) const;
  // Token ids from 0 to 2^31 - 1. Throws BadInput.
  std::optional<std::vector<std::int32_t>> Tokens(std::string_view name) const;
  // An object {"id": number, ...}, as OpenAI's logit_bias.
  std::optional<std::vector<std::pair<std::int32_t, double>>> Biases(std::string_view name) const;
  std::optional<std::uint64_t> Seed(std::string_view name) const;
  // A text or a list of texts, none of them empty.
  std::optional<std::vector<std::string>> Texts(std::string_view name) const;

 private:
  const Json* Find(std::string_view name) const;

  std::string where_;
  Json object_;
};

// Calls visit(line, "where:number") for each line that is not blank; numbers count from 1.
void ForEachLine(std::string_view text, std::string_view where,
                 const std::function<void(std::string_view line, const std::string& place)>& visit);

// Whether a line has nothing but spaces.
bool IsBlank(std::string_view line);

}  // namespace lockstep
