#include "text/jinja/nodes/statements.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

class Data : public Statement {
 public:
  Data(Place place, std::string text) : Statement(place), text_(std::move(text)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    renderer.Write(text_);
    return Flow::kOn;
  }
  std::string text_;
};

class Output : public Statement {
 public:
  Output(Place place, ExpressionPtr value) : Statement(place), value_(std::move(value)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    const Value value = value_->Evaluate(renderer);
    renderer.Charge(value.weight());
    renderer.Write(Str(value));
    return Flow::kOn;
  }
  ExpressionPtr value_;
};

class If : public Statement {
 public:
  If(Place place, std::vector<Branch> branches)
      : Statement(place), branches_(std::move(branches)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    for (const Branch& branch : branches_)
      if (branch.condition == nullptr || Truth(branch.condition->Evaluate(renderer)))
        return ExecuteAll(branch.body, renderer);
    return Flow::kOn;
  }
  std::vector<Branch> branches_;
};

class For : public Statement {
 public:
  For(Place place, Loop loop) : Statement(place), loop_(std::move(loop)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    const auto items = std::make_shared<const Values>(Chosen(renderer));
    for (std::size_t i = 0; i < items->size(); ++i) {
      Renderer::Inner inner(renderer);
      inner.SetLoop({.items = items, .index = i});
      Assign(renderer, loop_.target, (*items)[i]);
      if (ExecuteAll(loop_.body, renderer) == Flow::kBreak) break;
    }
    if (!items->empty()) return Flow::kOn;
    const Renderer::Inner inner(renderer);
    return ExecuteAll(loop_.otherwise, renderer);
  }

  Values Chosen(Renderer& renderer) const {
    Values items = Iterate(renderer, loop_.items->Evaluate(renderer));
    if (loop_.condition == nullptr) return items;
    std::erase_if(items, [&](const Value& item) {
      const Renderer::Inner inner(renderer);
      Assign(renderer, loop_.target, item);
      return !Truth(loop_.condition->Evaluate(renderer));
    });
    return items;
  }
  Loop loop_;
};

class FlowStatement : public Statement {
 public:
  FlowStatement(Place place, Flow flow) : Statement(place), flow_(flow) {}

 private:
  Flow Run(Renderer&) const override { return flow_; }
  Flow flow_;
};

class Set : public Statement {
 public:
  Set(Place place, Target target, ExpressionPtr value)
      : Statement(place), target_(std::move(target)), value_(std::move(value)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    Assign(renderer, target_, value_->Evaluate(renderer));
    return Flow::kOn;
  }
  Target target_;
  ExpressionPtr value_;
};

Value ValueOf(const Captured& captured, Renderer& renderer, Flow& flow) {
  const Renderer::Inner inner(renderer);
  std::string text;
  {
    Renderer::Capture capture(renderer);
    flow = ExecuteAll(captured.body, renderer);
    text = capture.Take();
  }
  renderer.Assign(CapturedName(), Value(std::move(text)));
  return captured.filters->Evaluate(renderer);
}

class SetBlock : public Statement {
 public:
  SetBlock(Place place, Target target, Captured captured)
      : Statement(place), target_(std::move(target)), captured_(std::move(captured)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    Flow flow = Flow::kOn;
    const Value value = ValueOf(captured_, renderer, flow);
    if (flow == Flow::kOn) Assign(renderer, target_, value);
    return flow;
  }
  Target target_;
  Captured captured_;
};

class FilterBlock : public Statement {
 public:
  FilterBlock(Place place, Captured captured) : Statement(place), captured_(std::move(captured)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    Flow flow = Flow::kOn;
    const Value value = ValueOf(captured_, renderer, flow);
    if (flow == Flow::kOn) renderer.Write(Str(value));
    return flow;
  }
  Captured captured_;
};

class ScopeStatement : public Statement {
 public:
  ScopeStatement(Place place, std::vector<std::pair<Target, ExpressionPtr>> names, Block body)
      : Statement(place), names_(std::move(names)), body_(std::move(body)) {}

 private:
  Flow Run(Renderer& renderer) const override {
    Values values;  // of names outside
    for (const auto& [target, value] : names_) values.push_back(value->Evaluate(renderer));
    const Renderer::Inner inner(renderer);
    for (std::size_t i = 0; i < values.size(); ++i) Assign(renderer, names_[i].first, values[i]);
    return ExecuteAll(body_, renderer);
  }
  std::vector<std::pair<Target, ExpressionPtr>> names_;
  Block body_;
};

class Macro : public Statement {
 public:
  Macro(Place place, MacroParts parts) : Statement(place), parts_(std::move(parts)) {
    for (const auto& [name, otherwise] : parts_.parameters) names_.emplace_back(name);
  }

 private:
  Flow Run(Renderer& renderer) const override {
    const std::size_t scope = renderer.Keep();
    renderer.Assign(parts_.name,
                    Value(Function([this, scope](Renderer& caller, const Arguments& given) {
                      return Call(caller, scope, given);
                    })));
    return Flow::kOn;
  }

  Value Call(Renderer& renderer, std::size_t scope, const Arguments& given) const {
    const Bound bound(given, {parts_.name, names_});
    const Renderer::Inner inner(renderer, scope);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const auto& [name, otherwise] = parts_.parameters[i];
      if (bound.has(i))
        renderer.Assign(name, bound[i]);
      else if (otherwise)
        renderer.Assign(name, otherwise->Evaluate(renderer));
      else
        renderer.Assign(name, Value::Missing(fmt::format("parameter '{}' was not provided", name)));
    }
    Renderer::Capture capture(renderer);
    ExecuteAll(parts_.body, renderer);
    return Value(capture.Take());
  }

  MacroParts parts_;
  std::vector<std::string_view> names_;
};

void AssignAttribute(Renderer& renderer, const Target& target, const Value& value) {
  const Value space = renderer.Lookup(target.name);
  if (!space.Is<Namespace*>()) throw Fault("cannot assign attribute on non-namespace object");
  if (target.attribute.starts_with('_'))
    throw Fault(fmt::format("a namespace cannot have '{}': it begins with _", target.attribute));
  space.As<Namespace*>()->attributes[target.attribute] = value;
}

}  // namespace

void Assign(Renderer& renderer, const Target& target, const Value& value) {
  if (target.parts.empty()) {
    if (!target.attribute.empty()) return AssignAttribute(renderer, target, value);
    return renderer.Assign(target.name, value);
  }
  if (value.Is<Undefined>()) value.RequireDefined();
  const Values values = Iterate(renderer, value);
  if (values.size() != target.parts.size())
    throw Fault(
        fmt::format("{} values to unpack into {} names", values.size(), target.parts.size()));
  for (std::size_t i = 0; i < values.size(); ++i) Assign(renderer, target.parts[i], values[i]);
}

std::string CapturedName() { return "captured text"; }  // no template can spell it

StatementPtr MakeData(Place place, std::string text) {
  return std::make_unique<Data>(place, std::move(text));
}
StatementPtr MakeOutput(Place place, ExpressionPtr value) {
  return std::make_unique<Output>(place, std::move(value));
}
StatementPtr MakeIf(Place place, std::vector<Branch> branches) {
  return std::make_unique<If>(place, std::move(branches));
}
StatementPtr MakeFor(Place place, Loop loop) {
  return std::make_unique<For>(place, std::move(loop));
}
StatementPtr MakeFlow(Place place, Flow flow) {
  return std::make_unique<FlowStatement>(place, flow);
}
StatementPtr MakeSet(Place place, Target target, ExpressionPtr value) {
  return std::make_unique<Set>(place, std::move(target), std::move(value));
}
StatementPtr MakeSetBlock(Place place, Target target, Captured captured) {
  return std::make_unique<SetBlock>(place, std::move(target), std::move(captured));
}
StatementPtr MakeFilterBlock(Place place, Captured captured) {
  return std::make_unique<FilterBlock>(place, std::move(captured));
}
StatementPtr MakeScope(Place place, std::vector<std::pair<Target, ExpressionPtr>> names,
                       Block body) {
  return std::make_unique<ScopeStatement>(place, std::move(names), std::move(body));
}
StatementPtr MakeMacro(Place place, MacroParts parts) {
  return std::make_unique<Macro>(place, std::move(parts));
}

}  // namespace lockstep::jinja
