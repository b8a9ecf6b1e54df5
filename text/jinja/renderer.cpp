#include "text/jinja/renderer.h"

#include <fmt/format.h>

#include "text/jinja/functions/functions.h"

namespace lockstep::jinja {
namespace {

Value Cycle(Renderer&, const Arguments& given, std::size_t index) {
  if (given.positional.empty()) throw Fault("loop.cycle() has nothing to choose from");
  return given.positional[index % given.positional.size()];
}

Value LoopValue(const LoopState& loop) {
  const Values& items = *loop.items;
  const auto index = static_cast<std::int64_t>(loop.index);
  const std::int64_t length = std::ssize(items);
  Dict dict;
  const auto set = [&](const char* name, Value value) { dict.Set(Value(name), std::move(value)); };
  set("index0", Value(index));
  set("index", Value(index + 1));
  set("revindex", Value(length - index));
  set("revindex0", Value(length - index - 1));
  set("first", Value(index == 0));
  set("last", Value(index + 1 == length));
  set("length", Value(length));
  set("depth", Value(std::int64_t{1}));  // of recursive loops, which there are not
  set("depth0", Value(std::int64_t{0}));
  set("previtem", index == 0 ? Value::Missing("there is no previous item") : items[loop.index - 1]);
  set("nextitem",
      index + 1 == length ? Value::Missing("there is no next item") : items[loop.index + 1]);
  set("cycle", Value(Function([at = loop.index](Renderer& renderer, const Arguments& given) {
        return Cycle(renderer, given, at);
      })));
  return Value(std::move(dict));
}

}  // namespace

Renderer::Renderer(const Dict& variables, const Limits& limits,
                   std::chrono::system_clock::time_point now)
    : variables_(variables), limits_(limits), now_(now) {}

Value Renderer::Lookup(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    if (scope->loop && name == "loop") return LoopValue(*scope->loop);
    if (const auto found = scope->names.find(name); found != scope->names.end())
      return found->second;
  }
  if (const Value* found = variables_.Find(name)) return *found;
  const Value global = GlobalOf(name);
  return global.Is<Undefined>() ? Value::Missing(fmt::format("'{}' is undefined", name)) : global;
}

void Renderer::Write(std::string_view text) {
  if (output_.size() + text.size() > limits_.output_bytes)
    throw Fault(fmt::format("the template writes more than {} bytes", limits_.output_bytes));
  output_ += text;
}

void Renderer::Charge(std::int64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps)
    throw Fault(fmt::format("the template takes more than {} steps", limits_.steps));
}

void Renderer::ChargeText(const Value& value) {
  constexpr std::int64_t kBytesOfAStep = 64;
  if (value.is_text()) Charge(std::ssize(value.text()) / kBytesOfAStep);
}

Namespace* Renderer::NewNamespace() {
  return namespaces_.emplace_back(std::make_unique<Namespace>()).get();
}

std::size_t Renderer::Keep() {
  if (kept_.empty() || kept_.back() != scope_) kept_.push_back(scope_);
  return kept_.size() - 1;
}

Renderer::Inner::Inner(Renderer& renderer, std::shared_ptr<Scope> parent)
    : renderer_(renderer), outer_(renderer.scope_) {
  renderer_.scope_ = std::make_shared<Scope>(Scope{.parent = std::move(parent)});
}

Renderer::Deeper::Deeper(Renderer& renderer) : renderer_(renderer) {
  if (renderer_.depth_ >= renderer_.limits_.depth)
    throw Fault("macros or expressions are nested too deep");
  ++renderer_.depth_;
  renderer_.Charge(1);
}

}  // namespace lockstep::jinja
