#include "runtime/options/model_shape.h"

#include <cmath>

#include "core/error.h"
#include "partition/model/architecture.h"

namespace lockstep {
namespace {

template <typename T>
T Stated(const std::optional<T>& value, std::string_view field, std::string_view where) {
  if (value) return *value;
  throw BadInput(
      "{}: model.shape.{} is missing; without a checkpoint the shape needs family, layers, "
      "d_model, heads, rotary_dims, vocab_rows and context",
      where, field);
}

std::string Text(Family family) { return std::string(Name(family)); }
std::string Text(GeluKind kind) { return std::string(Name(kind)); }
std::string Text(bool value) { return value ? "true" : "false"; }
std::string Text(std::int64_t value) { return fmt::format("{}", value); }
std::string Text(double value) { return fmt::format("{}", value); }

bool Same(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }
template <typename T>
bool Same(const T& a, const T& b) {
  return a == b;
}

struct Comparison {
  std::string_view where;

  template <typename T>
  void operator()(std::string_view field, const std::optional<T>& stated, const T& found) const {
    if (!stated || Same(*stated, found)) return;
    throw BadInput(
        "{}: the checkpoint has {} = {}, but the configuration says model.shape.{} = {}; correct "
        "the shape or choose the checkpoint it describes",
        where, field, Text(found), field, Text(*stated));
  }
};

void SetPositions(const ModelShape& shape, const Architecture& family, std::string_view where,
                  ModelSpec& spec) {
  switch (family.positions) {
    case PositionKind::kRotary:
      spec.rotary_dims = Stated(shape.rotary_dims, "rotary_dims", where);
      spec.rope.base = shape.rotary_base.value_or(spec.rope.base);
      return;
    case PositionKind::kLearned:
      if (shape.rotary_dims.value_or(0) != 0)
        throw BadInput(
            "{}: model.shape.rotary_dims is {}; {} has a table of positions and rotates nothing: "
            "leave it out",
            where, *shape.rotary_dims, family.title);
      return;
  }
}

// What a family has one way only.
void CheckChoices(const ModelSpec& spec, const Architecture& family, std::string_view where) {
  const auto wrong = [](bool value, const FamilyChoice& choice) {
    return choice.fixed && value != choice.usual;
  };
  if (wrong(spec.parallel_residual, family.parallel_residual))
    throw BadInput("{}: model.shape.parallel_residual is {}; {} has only the {} one", where,
                   spec.parallel_residual, family.title,
                   family.parallel_residual.usual ? "parallel" : "sequential");
  if (wrong(spec.attention_bias, family.attention_bias))
    throw BadInput("{}: model.shape.attention_bias is {}; {}'s attention has {}", where,
                   spec.attention_bias, family.title,
                   family.attention_bias.usual ? "biases" : "no biases");
}

}  // namespace

bool IsStated(const ModelShape& shape) { return !(shape == ModelShape{}); }

ModelSpec SpecFromShape(const ModelShape& shape, std::string_view where) {
  ModelSpec spec;
  spec.family = Stated(shape.family, "family", where);
  spec.layer_count = Stated(shape.layers, "layers", where);
  spec.d_model = Stated(shape.d_model, "d_model", where);
  spec.head_count = Stated(shape.heads, "heads", where);
  spec.kv_head_count = shape.kv_heads.value_or(0);
  spec.head_width = shape.d_head.value_or(0);
  spec.vocab_rows = Stated(shape.vocab_rows, "vocab_rows", where);
  spec.context_tokens = Stated(shape.context, "context", where);
  spec.d_ff = shape.d_ff.value_or(4 * spec.d_model);
  spec.norm_epsilon = shape.norm_epsilon.value_or(spec.norm_epsilon);
  const Architecture& family = ArchitectureOf(spec.family);
  SetPositions(shape, family, where, spec);
  spec.gelu = shape.gelu.value_or(family.usual_gelu);
  spec.attention_bias = shape.attention_bias.value_or(family.attention_bias.usual);
  spec.parallel_residual = shape.parallel_residual.value_or(family.parallel_residual.usual);
  spec.tied_embeddings = shape.tied_embeddings.value_or(family.usually_tied);
  CheckChoices(spec, family, where);
  Validate(spec, fmt::format("{}: model.shape", where));
  return spec;
}

void CheckAgreement(const ModelShape& shape, const ModelSpec& checkpoint, std::string_view where) {
  const Comparison same{where};
  same("family", shape.family, checkpoint.family);
  same("layers", shape.layers, checkpoint.layer_count);
  same("d_model", shape.d_model, checkpoint.d_model);
  same("heads", shape.heads, checkpoint.head_count);
  same("kv_heads", shape.kv_heads, checkpoint.head_count);
  same("d_head", shape.d_head, checkpoint.d_head());
  same("d_ff", shape.d_ff, checkpoint.d_ff);
  same("rotary_dims", shape.rotary_dims, checkpoint.rotary_dims);
  same("vocab_rows", shape.vocab_rows, checkpoint.vocab_rows);
  same("context", shape.context, checkpoint.context_tokens);
  same("rotary_base", shape.rotary_base, checkpoint.rope.base);
  same("norm_epsilon", shape.norm_epsilon, checkpoint.norm_epsilon);
  same("gelu", shape.gelu, checkpoint.gelu);
  same("parallel_residual", shape.parallel_residual, checkpoint.parallel_residual);
  same("attention_bias", shape.attention_bias, checkpoint.attention_bias);
  same("tied_embeddings", shape.tied_embeddings, checkpoint.tied_embeddings);
}

}  // namespace lockstep
