#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "runtime/options/option_table.h"

namespace lockstep {

// How the text of a value becomes a member's type, and back. Every type has
//   T Parse(value)          throws BadInput naming it, what was found and what was expected
//   std::string Print(T)    the YAML that gives the same T again
//   std::string Expected()  completes "expected ..."

[[noreturn]] void ThrowWrongValue(const ConfigValue& value, std::string_view expected);

// Text in double quotes as YAML and JSON read it.
std::string QuotedText(std::string_view text);

// Integers may be written 3.0 and 1e3: many programs write all numbers like that.
struct IntegerType {
  static constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();

  std::int64_t least;
  std::int64_t most;

  std::int64_t Parse(const ConfigValue& value) const;
  std::string Print(std::int64_t value) const { return fmt::format("{}", value); }
  std::string Expected() const {
    if (most == kEndless) return fmt::format("an integer of {} or more", least);
    return fmt::format("an integer from {} to {}", least, most);
  }
};

struct SeedType {
  std::uint64_t Parse(const ConfigValue& value) const;
  std::string Print(std::uint64_t value) const { return fmt::format("{}", value); }
  std::string Expected() const { return "an integer from 0 to 18446744073709551615"; }
};

struct NumberType {
  // Whether 0, which is below all others, may be there too.
  enum class Zero { kAsOthers, kToo };

  double least;
  double most;
  Zero zero = Zero::kAsOthers;

  double Parse(const ConfigValue& value) const;
  std::string Print(double value) const { return fmt::format("{}", value); }
  std::string Expected() const {
    return fmt::format("{}a number from {} to {}", zero == Zero::kToo ? "0 or " : "", least, most);
  }
};

struct FlagType {
  bool Parse(const ConfigValue& value) const;
  std::string Print(bool value) const { return value ? "true" : "false"; }
  std::string Expected() const { return "true or false"; }
};

struct TextType {
  std::string Parse(const ConfigValue& value) const;
  std::string Print(const std::string& value) const { return QuotedText(value); }
  std::string Expected() const { return "text"; }
};

// One text, or a list of them, none empty.
struct TextListType {
  std::vector<std::string> Parse(const ConfigValue& value) const;
  std::string Print(const std::vector<std::string>& values) const;
  std::string Expected() const { return "a text or a list of texts, none empty"; }
};

template <typename T>
struct ChoiceType {
  std::vector<std::pair<std::string_view, T>> choices;
  // What other programs call them.
  std::vector<std::pair<std::string_view, T>> synonyms = {};

  T Parse(const ConfigValue& value) const {
    if (value.kind != ConfigValue::Kind::kNull && value.kind != ConfigValue::Kind::kList)
      for (const auto* list : {&choices, &synonyms})
        for (const auto& [name, choice] : *list)
          if (value.text == name) return choice;
    ThrowWrongValue(value, Expected());
  }
  std::string Print(T value) const {
    for (const auto& [name, choice] : choices)
      if (choice == value) return std::string(name);
    return "null";
  }
  std::string Expected() const {
    std::string names;
    for (const auto& [name, choice] : choices) {
      if (!names.empty()) names += " or ";
      names += name;
    }
    return names;
  }
};

}  // namespace lockstep
