#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/functions/functions.h"

namespace lockstep::jinja {

Bound::Bound(const Arguments& given, const Signature& signature)
    : values_(signature.parameters.size()),
      name_(signature.name),
      parameters_(signature.parameters) {
  if (given.positional.size() > values_.size())
    throw Fault(fmt::format("{}() takes {} arguments but {} were given", name_, values_.size(),
                            given.positional.size()));
  std::ranges::copy(given.positional, values_.begin());
  for (const auto& [name, value] : given.named) {
    const auto found = std::ranges::find(parameters_, name);
    if (found == parameters_.end())
      throw Fault(fmt::format("{}() got an unexpected keyword argument '{}'", name_, name));
    auto& place = values_[static_cast<std::size_t>(found - parameters_.begin())];
    if (place) throw Fault(fmt::format("{}() got multiple values for argument '{}'", name_, name));
    place = value;
  }
  for (std::size_t i = 0; i < signature.required; ++i)
    if (!values_[i])
      throw Fault(fmt::format("{}() is missing the argument '{}'", name_, parameters_[i]));
}

const std::string& Bound::Text(std::size_t i) const {
  if (!values_[i] || !values_[i]->is_text())
    throw Fault(
        fmt::format("{}(): {} must be str, not {}", name_, parameters_[i], (*this)[i].TypeName()));
  return values_[i]->text();
}

std::optional<std::string> Bound::OptionalText(std::size_t i) const {
  if (!values_[i] || values_[i]->Is<None>()) return std::nullopt;
  return Text(i);
}

std::int64_t Bound::Integer(std::size_t i, std::int64_t otherwise) const {
  if (!values_[i]) return otherwise;
  if (!values_[i]->is_integer())
    throw Fault(
        fmt::format("{}(): {} must be int, not {}", name_, parameters_[i], values_[i]->TypeName()));
  return values_[i]->integer();
}

bool Bound::Flag(std::size_t i, bool otherwise) const {
  return values_[i] ? Truth(*values_[i]) : otherwise;
}

}  // namespace lockstep::jinja
