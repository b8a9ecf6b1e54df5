#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "text/jinja/functions/functions.h"
#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

// As Jinja's sandbox has it.
constexpr std::int64_t kMostRange = 100'000;

Value Range(Renderer& renderer, const Arguments& given) {
  const Bound bound(given, {"range", {"start", "stop", "step"}, 1});
  const std::int64_t start = bound.has(1) ? bound.Integer(0, 0) : 0;
  const std::int64_t stop = bound.Integer(bound.has(1) ? 1 : 0, 0);
  const std::int64_t step = bound.Integer(2, 1);
  if (step == 0) throw Fault("range() arg 3 must not be zero");
  Values items;
  for (std::int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (std::ssize(items) == kMostRange)
      throw Fault(
          fmt::format("Range too big. The sandbox blocks ranges larger than {}.", kMostRange));
    items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  renderer.Charge(std::ssize(items));
  return Value::Of(SequenceKind::kRange, std::move(items));
}

// dict(mapping or pairs, key=value, ...), and the beginning of namespace().
Dict DictOf(Renderer& renderer, const Arguments& given) {
  if (given.positional.size() > 1)
    throw Fault(fmt::format("dict expected at most 1 argument, got {}", given.positional.size()));
  Dict dict;
  for (const Value& from : given.positional) {
    if (const Dict* other = from.dict())
      dict = *other;
    else
      for (const Value& pair : Iterate(renderer, from)) {
        const Values two = Iterate(renderer, pair);
        if (two.size() != 2) throw Fault("dict() takes a mapping, or a list of pairs");
        dict.Set(two[0], two[1]);
      }
  }
  for (const auto& [name, value] : given.named) dict.Set(Value(name), value);
  return dict;
}

Value MakeDict(Renderer& renderer, const Arguments& given) {
  return Value(DictOf(renderer, given));
}

Value MakeNamespace(Renderer& renderer, const Arguments& given) {
  Namespace* space = renderer.NewNamespace();
  const Dict attributes = DictOf(renderer, given);
  for (const auto& [name, value] : attributes.items()) {
    if (Str(name).starts_with('_'))
      throw Fault(fmt::format("a namespace cannot have '{}': it begins with _", Str(name)));
    space->attributes[Str(name)] = value;
  }
  return Value(space);
}

Value RaiseException(Renderer&, const Arguments& given) {
  const Bound bound(given, {"raise_exception", {"message"}, 1});
  throw Fault(Str(bound[0]));
}

Value FormatNow(Renderer& renderer, const Arguments& given) {
  const Bound bound(given, {"strftime_now", {"format"}, 1});
  const std::string& format = bound.Text(0);
  if (format.empty()) return Value("");
  if (format.size() > 256) throw Fault("strftime_now(): the format is longer than 256 bytes");
  const std::time_t now = std::chrono::system_clock::to_time_t(renderer.now());
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 8192> text;
  const std::size_t size = std::strftime(text.data(), text.size(), format.c_str(), &local);
  return Value(std::string(text.data(), size));
}

}  // namespace

Value GlobalOf(std::string_view name) {
  static const std::unordered_map<std::string_view, Value> kGlobals{
      {"dict", Value(Function(MakeDict))},
      {"namespace", Value(Function(MakeNamespace))},
      {"raise_exception", Value(Function(RaiseException))},
      {"range", Value(Function(Range))},
      {"strftime_now", Value(Function(FormatNow))},
  };
  const auto found = kGlobals.find(name);
  return found == kGlobals.end() ? Value() : found->second;
}

bool IsUnsupportedGlobal(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"caller", "cycler", "joiner",
                                                   "kwargs", "lipsum", "varargs"};
  return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace lockstep::jinja
