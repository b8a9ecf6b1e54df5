#include "partition/model/model_spec.h"

#include <cmath>

#include "core/error.h"
#include "partition/model/architecture.h"

namespace lockstep {
namespace {

void CheckRange(std::string_view where, std::string_view field, std::int64_t value,
                std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw BadInput("{}: {} is {}; expected {} to {}", where, field, value, least, most);
}

}  // namespace

std::string_view Name(Family family) { return ArchitectureOf(family).model_type; }

std::string_view Name(GeluKind kind) { return kind == GeluKind::kExact ? "exact" : "tanh"; }

void Validate(const ModelSpec& spec, std::string_view where) {
  // The upper bounds are far past any model; they keep every product of two within 64 bits.
  CheckRange(where, "the number of layers", spec.layer_count, 1, 4096);
  CheckRange(where, "the hidden size", spec.d_model, 1, 1 << 20);
  CheckRange(where, "the number of attention heads", spec.head_count, 1, 1 << 16);
  CheckRange(where, "the feed-forward size", spec.d_ff, 1, 1 << 22);
  CheckRange(where, "the vocabulary size", spec.vocab_rows, 1, 1 << 24);
  CheckRange(where, "the context length", spec.context_tokens, 1, 1 << 24);
  CheckRange(where, "the width of a head", spec.head_width, 0, 1 << 16);
  if (spec.kv_head_count != 0 && spec.kv_head_count != spec.head_count)
    throw BadInput(
        "{}: {} heads of keys and values for {} attention heads; grouped heads are not supported, "
        "so expected as many",
        where, spec.kv_head_count, spec.head_count);
  if (spec.head_width == 0 && spec.d_model % spec.head_count != 0)
    throw BadInput("{}: hidden size {} does not divide over {} attention heads", where,
                   spec.d_model, spec.head_count);
  CheckRange(where, "the number of rotary dims", spec.rotary_dims, 0, spec.d_head());
  if (spec.rotary_dims % 2 != 0)
    throw BadInput(
        "{}: {} rotary dims per head; rotation works on pairs, so expected an even number", where,
        spec.rotary_dims);
  if (!(spec.norm_epsilon > 0.0 && spec.norm_epsilon < 1.0))
    throw BadInput("{}: layer norm epsilon is {}; expected a number between 0 and 1", where,
                   spec.norm_epsilon);
  if (!(std::isfinite(spec.rope.base) && spec.rope.base > 0.0))
    throw BadInput("{}: rotary base is {}; expected a positive number", where, spec.rope.base);
}

}  // namespace lockstep
