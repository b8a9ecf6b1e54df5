#include "partition/model/config_fields.h"

#include "core/error.h"

namespace lockstep {

std::int64_t ConfigFields::Int(std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names)
    if (const auto value = FindInt(object_, name, where_)) return *value;
  throw BadInput("{}: \"{}\" is missing; expected an integer", where_, *names.begin());
}

std::int64_t ConfigFields::IntOr(std::string_view name, std::int64_t fallback) const {
  return FindInt(object_, name, where_).value_or(fallback);
}

double ConfigFields::NumberOr(std::string_view name, double fallback) const {
  return FindNumber(object_, name, where_).value_or(fallback);
}

bool ConfigFields::BoolOr(std::string_view name, bool fallback) const {
  return FindBool(object_, name, where_).value_or(fallback);
}

std::string ConfigFields::StringOr(std::string_view name, std::string_view fallback) const {
  return FindString(object_, name, where_).value_or(std::string(fallback));
}

GeluKind ConfigFields::GeluOr(std::string_view field, std::string_view fallback) const {
  const std::string name = StringOr(field, fallback);
  if (name == "gelu" || name == "gelu_python") return GeluKind::kExact;
  // Three spellings of the same formula in transformers' ACT2FN.
  if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh")
    return GeluKind::kTanh;
  throw BadInput(
      "{}: activation \"{}\" is not supported; expected gelu, gelu_new, gelu_fast or "
      "gelu_pytorch_tanh",
      where_, name);
}

}  // namespace lockstep
