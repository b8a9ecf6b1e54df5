#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/json.h"

namespace lockstep::jinja {

class Renderer;
class Value;
using Values = std::vector<Value>;

// What goes wrong while a template is rendered, in Python's words where it has some. Whoever knows
// the place in the template adds it.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A value that is missing. It prints as nothing, and most of what is done with it is a fault.
struct Undefined {
  std::shared_ptr<const std::string> why = {};  // "'x' is undefined"
};
struct None {};

// What a list is to Python, and what iterates like one.
enum class SequenceKind : std::uint8_t { kList, kTuple, kRange, kView, kIterator };
struct Sequence;
class Dict;
struct Namespace;

struct Arguments;
using Function = std::function<Value(Renderer&, const Arguments&)>;

// A value of a template, as Python has it. Cheap to copy: texts and containers are shared, and
// nothing changes them.
class Value {
 public:
  using Text = std::shared_ptr<const std::string>;
  using Data = std::variant<Undefined, None, bool, std::int64_t, double, Text,
                            std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
                            Namespace*, std::shared_ptr<const Function>>;

  Value() = default;  // undefined
  explicit Value(None none) : data_(none) {}
  explicit Value(bool truth) : data_(truth) {}
  explicit Value(std::int64_t number) : data_(number) {}
  explicit Value(double number) : data_(number) {}
  explicit Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(Namespace* space) : data_(space) {}
  explicit Value(Function function)
      : data_(std::make_shared<const Function>(std::move(function))) {}
  // Throw Fault where it is nested too deep or has too much in it.
  explicit Value(Dict dict);
  static Value Of(SequenceKind kind, Values items);
  static Value List(Values items) { return Of(SequenceKind::kList, std::move(items)); }
  static Value Missing(std::string why);
  // Objects keep their order.
  static Value FromJson(const nlohmann::ordered_json& json);

  template <typename T>
  bool Is() const {
    return std::holds_alternative<T>(data_);
  }
  template <typename T>
  const T& As() const {
    return std::get<T>(data_);
  }
  bool is_text() const { return Is<Text>(); }
  // Of a boolean, too, which is a number to Python.
  bool is_integer() const { return Is<bool>() || Is<std::int64_t>(); }
  bool is_number() const { return is_integer() || Is<double>(); }
  const std::string& text() const { return *As<Text>(); }
  std::int64_t integer() const;
  double number() const;
  const Sequence* sequence() const;  // null: is none
  const Dict* dict() const;          // null: is none
  int depth() const;
  // How many values whoever goes through it meets.
  std::int64_t weight() const;

  // "str", "list", ..., for messages.
  std::string TypeName() const;
  // Throws Fault saying why a missing value is missing; nothing for any other.
  void RequireDefined() const;

 private:
  Data data_;
};

// A list or what iterates like one.
struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  Values items = {};
  int depth = 1;               // of what is nested in it
  std::int64_t weight = 1;     // values in it, and in them
  mutable bool spent = false;  // kIterator: it can be gone through once
};

// In the order in which the keys came, as Python's.
class Dict {
 public:
  // Another value for a key that is there takes its place. Throws Fault for a key that Python could
  // not hash.
  void Set(const Value& key, Value value);
  const Value* Find(const Value& key) const;  // null: not there
  const Value* Find(std::string_view key) const;
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  int depth() const { return depth_; }
  std::int64_t weight() const { return weight_; }

 private:
  std::vector<std::pair<Value, Value>> items_;
  std::unordered_map<std::string, std::size_t> by_text_;
  int depth_ = 1;
  std::int64_t weight_ = 1;
};

// namespace(): the one thing that a template can change. The renderer owns it.
struct Namespace {
  std::unordered_map<std::string, Value> attributes = {};
};

struct Arguments {
  Values positional = {};
  std::vector<std::pair<std::string, Value>> named = {};
};
// As Python's bool(), == and <. Less throws Fault for what has no order.
bool Truth(const Value& value);
bool Equal(const Value& a, const Value& b);
bool Less(const Value& a, const Value& b);

}  // namespace lockstep::jinja
