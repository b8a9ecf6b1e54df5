#include "text/jinja/nodes/expressions.h"

#include "text/jinja/values/value_text.h"

namespace lockstep::jinja {
namespace {

class Constant : public Expression {
 public:
  Constant(Place place, Value value) : Expression(place), value_(std::move(value)) {}

 private:
  Value Compute(Renderer&) const override { return value_; }
  Value value_;
};

class Name : public Expression {
 public:
  Name(Place place, std::string name) : Expression(place), name_(std::move(name)) {}

 private:
  Value Compute(Renderer& renderer) const override { return renderer.Lookup(name_); }
  std::string name_;
};

// An expression that is made of others.
class Compound : public Expression {
 public:
  Compound(Place place, Expressions parts) : Expression(place), parts_(std::move(parts)) {
    for (const auto& part : parts_) Holds(part.get());
  }

 protected:
  Value At(std::size_t i, Renderer& renderer) const { return parts_[i]->Evaluate(renderer); }
  bool has(std::size_t i) const { return parts_[i] != nullptr; }
  std::size_t size() const { return parts_.size(); }

 private:
  Expressions parts_;
};

Expressions Several(ExpressionPtr a, ExpressionPtr b = nullptr, ExpressionPtr c = nullptr) {
  Expressions parts;
  parts.push_back(std::move(a));
  if (b || c) parts.push_back(std::move(b));
  if (c) parts.push_back(std::move(c));
  return parts;
}

class SequenceLiteral : public Compound {
 public:
  SequenceLiteral(Place place, SequenceKind kind, Expressions items)
      : Compound(place, std::move(items)), kind_(kind) {}

 private:
  Value Compute(Renderer& renderer) const override {
    Values items;
    for (std::size_t i = 0; i < size(); ++i) items.push_back(At(i, renderer));
    return Value::Of(kind_, std::move(items));
  }
  SequenceKind kind_;
};

class DictLiteral : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override {
    Dict dict;
    for (std::size_t i = 0; i < size(); i += 2) {
      const Value key = At(i, renderer);
      dict.Set(key, At(i + 1, renderer));
    }
    return Value(std::move(dict));
  }
};

class AttributeOf : public Compound {
 public:
  AttributeOf(Place place, ExpressionPtr object, std::string name)
      : Compound(place, Several(std::move(object))), name_(std::move(name)) {}

 private:
  Value Compute(Renderer& renderer) const override { return Attribute(At(0, renderer), name_); }
  std::string name_;
};

class ItemOf : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override {
    const Value object = At(0, renderer);
    return Item(object, At(1, renderer));
  }
};

class SliceOf : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override {
    const Value object = At(0, renderer);
    renderer.Charge(object.is_text() ? std::ssize(object.text()) / 16 : object.weight());
    const auto bound = [&](std::size_t i) { return has(i) ? At(i, renderer) : Value(None{}); };
    SliceBounds bounds;
    bounds.start = bound(1);
    bounds.stop = bound(2);
    bounds.step = bound(3);
    return Slice(object, bounds);
  }
};

// An expression that has arguments.
class WithArguments : public Expression {
 public:
  WithArguments(Place place, ExpressionPtr value, CallArguments arguments)
      : Expression(place), value_(std::move(value)), arguments_(std::move(arguments)) {
    Holds(value_.get());
    for (const auto& one : arguments_.positional) Holds(one.get());
    for (const auto& [name, one] : arguments_.named) Holds(one.get());
  }

 protected:
  Value Subject(Renderer& renderer) const { return value_->Evaluate(renderer); }
  Arguments Given(Renderer& renderer) const { return arguments_.Evaluate(renderer); }

 private:
  ExpressionPtr value_;
  CallArguments arguments_;
};

class CallOf : public WithArguments {
 public:
  using WithArguments::WithArguments;

 private:
  Value Compute(Renderer& renderer) const override {
    const Value function = Subject(renderer);
    return Call(renderer, function, Given(renderer));
  }
};

class Filtered : public WithArguments {
 public:
  Filtered(Place place, ExpressionPtr value, Filter filter, CallArguments arguments)
      : WithArguments(place, std::move(value), std::move(arguments)), filter_(filter) {}

 private:
  Value Compute(Renderer& renderer) const override {
    const Value value = Subject(renderer);
    renderer.ChargeText(value);
    return filter_(renderer, value, Given(renderer));
  }
  Filter filter_;
};

class Tested : public WithArguments {
 public:
  Tested(Place place, ExpressionPtr value, Test test, CallArguments arguments)
      : WithArguments(place, std::move(value), std::move(arguments)), test_(test) {}

 private:
  Value Compute(Renderer& renderer) const override {
    const Value value = Subject(renderer);
    renderer.ChargeText(value);
    return Value(test_(renderer, value, Given(renderer)));
  }
  Test test_;
};

class Not : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override { return Value(!Truth(At(0, renderer))); }
};

class Signed : public Compound {
 public:
  Signed(Place place, char sign, ExpressionPtr value)
      : Compound(place, Several(std::move(value))), sign_(sign) {}

 private:
  Value Compute(Renderer& renderer) const override {
    const Value value = At(0, renderer);
    return sign_ == '-' ? Negative(value) : Positive(value);
  }
  char sign_;
};

class Binary : public Compound {
 public:
  Binary(Place place, BinaryOperator op, ExpressionPtr a, ExpressionPtr b)
      : Compound(place, Several(std::move(a), std::move(b))), op_(op) {}

 private:
  Value Compute(Renderer& renderer) const override {
    const Value a = At(0, renderer), b = At(1, renderer);
    renderer.Charge(a.sequence() != nullptr ? a.weight() : 1);
    renderer.ChargeText(a);
    renderer.ChargeText(b);
    return Reckon(op_, a, b);
  }
  BinaryOperator op_;
};

class Concat : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override {
    std::string text;
    for (std::size_t i = 0; i < size(); ++i) {
      text += Str(At(i, renderer));
      RequireTextFits(text.size());
    }
    Value whole(std::move(text));
    renderer.ChargeText(whole);
    return whole;
  }
};

class LogicOf : public Compound {
 public:
  LogicOf(Place place, Logic logic, ExpressionPtr a, ExpressionPtr b)
      : Compound(place, Several(std::move(a), std::move(b))), logic_(logic) {}

 private:
  Value Compute(Renderer& renderer) const override {
    Value first = At(0, renderer);
    return Truth(first) == (logic_ == Logic::kAnd) ? At(1, renderer) : first;
  }
  Logic logic_;
};

class Choice : public Compound {
 public:
  using Compound::Compound;

 private:
  Value Compute(Renderer& renderer) const override {
    if (Truth(At(0, renderer))) return At(1, renderer);
    if (size() > 2) return At(2, renderer);
    return Value::Missing(
        "the inline if-expression evaluated to false and no else section was defined.");
  }
};

bool Holds(Renderer& renderer, Comparison comparison, const Value& a, const Value& b) {
  renderer.Charge(std::min(a.weight(), b.weight()));
  renderer.ChargeText(a);
  renderer.ChargeText(b);
  switch (comparison) {
    case Comparison::kEqual: return Equal(a, b);
    case Comparison::kNotEqual: return !Equal(a, b);
    case Comparison::kLess: return Less(a, b);
    case Comparison::kLessEqual: return Less(a, b) || Equal(a, b);
    case Comparison::kGreater: return Less(b, a);
    case Comparison::kGreaterEqual: return Less(b, a) || Equal(a, b);
    case Comparison::kIn: return Contains(renderer, b, a);
    case Comparison::kNotIn: return !Contains(renderer, b, a);
  }
  return false;
}

class ComparisonOf : public Expression {
 public:
  ComparisonOf(Place place, ExpressionPtr first, std::vector<ComparedTo> others)
      : Expression(place), first_(std::move(first)), others_(std::move(others)) {
    Expression::Holds(first_.get());
    for (const ComparedTo& one : others_) Expression::Holds(one.value.get());
  }

 private:
  Value Compute(Renderer& renderer) const override {
    Value left = first_->Evaluate(renderer);
    for (const ComparedTo& one : others_) {
      Value right = one.value->Evaluate(renderer);
      if (!jinja::Holds(renderer, one.comparison, left, right)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }
  ExpressionPtr first_;
  std::vector<ComparedTo> others_;
};

}  // namespace

Arguments CallArguments::Evaluate(Renderer& renderer) const {
  Arguments arguments;
  for (const auto& one : positional) arguments.positional.push_back(one->Evaluate(renderer));
  for (const auto& [name, one] : named) arguments.named.emplace_back(name, one->Evaluate(renderer));
  return arguments;
}

ExpressionPtr MakeConstant(Place place, Value value) {
  return std::make_unique<Constant>(place, std::move(value));
}
ExpressionPtr MakeName(Place place, std::string name) {
  return std::make_unique<Name>(place, std::move(name));
}
ExpressionPtr MakeSequence(Place place, SequenceKind kind, Expressions items) {
  return std::make_unique<SequenceLiteral>(place, kind, std::move(items));
}
ExpressionPtr MakeDict(Place place, Expressions items) {
  return std::make_unique<DictLiteral>(place, std::move(items));
}
ExpressionPtr MakeAttribute(Place place, ExpressionPtr object, std::string name) {
  return std::make_unique<AttributeOf>(place, std::move(object), std::move(name));
}
ExpressionPtr MakeItem(Place place, ExpressionPtr object, ExpressionPtr key) {
  return std::make_unique<ItemOf>(place, Several(std::move(object), std::move(key)));
}
ExpressionPtr MakeSlice(Place place, ExpressionPtr object, Expressions bounds) {
  bounds.insert(bounds.begin(), std::move(object));
  return std::make_unique<SliceOf>(place, std::move(bounds));
}
ExpressionPtr MakeCall(Place place, ExpressionPtr function, CallArguments arguments) {
  return std::make_unique<CallOf>(place, std::move(function), std::move(arguments));
}
ExpressionPtr MakeFilter(Place place, ExpressionPtr value, Filter filter, CallArguments arguments) {
  return std::make_unique<Filtered>(place, std::move(value), filter, std::move(arguments));
}
ExpressionPtr MakeTest(Place place, ExpressionPtr value, Test test, CallArguments arguments) {
  return std::make_unique<Tested>(place, std::move(value), test, std::move(arguments));
}
ExpressionPtr MakeNot(Place place, ExpressionPtr value) {
  return std::make_unique<Not>(place, Several(std::move(value)));
}
ExpressionPtr MakeSign(Place place, char sign, ExpressionPtr value) {
  return std::make_unique<Signed>(place, sign, std::move(value));
}
ExpressionPtr MakeBinary(Place place, BinaryOperator op, ExpressionPtr a, ExpressionPtr b) {
  return std::make_unique<Binary>(place, op, std::move(a), std::move(b));
}
ExpressionPtr MakeConcat(Place place, Expressions parts) {
  return std::make_unique<Concat>(place, std::move(parts));
}
ExpressionPtr MakeLogic(Place place, Logic logic, ExpressionPtr a, ExpressionPtr b) {
  return std::make_unique<LogicOf>(place, logic, std::move(a), std::move(b));
}
ExpressionPtr MakeChoice(Place place, ExpressionPtr condition, ExpressionPtr value,
                         ExpressionPtr otherwise) {
  return std::make_unique<Choice>(
      place, Several(std::move(condition), std::move(value), std::move(otherwise)));
}
ExpressionPtr MakeComparison(Place place, ExpressionPtr first, std::vector<ComparedTo> others) {
  return std::make_unique<ComparisonOf>(place, std::move(first), std::move(others));
}

}  // namespace lockstep::jinja
