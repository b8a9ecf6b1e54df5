#include "partition/checkpoint/tensor_names.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "partition/checkpoint/foreign_weights.h"
#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {
namespace {

constexpr std::string_view kWeight = ".weight";

// DataParallel's and DeepSpeed's, torch.compile's, and those of training programs.
constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "model."};

// What is left of a prefix without the wrappers it begins with.
std::string_view WithoutWrappers(std::string_view prefix) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view wrapper : kWrappers) {
      if (!prefix.starts_with(wrapper)) continue;
      prefix.remove_prefix(wrapper.size());
      found = true;
    }
  }
  return prefix;
}

// What stands before the names of the body's tensors; the plan's own where there is no such tensor.
std::string FindBody(const Checkpoint& checkpoint, const Architecture& architecture) {
  const std::string planned = std::string(architecture.final_norm) + std::string(kWeight);
  const std::string_view probe = std::string_view(planned).substr(architecture.body.size());
  std::optional<std::string> found;
  for (const std::string& name : checkpoint.names()) {
    if (name == planned) return std::string(architecture.body);
    if (!name.ends_with(probe)) continue;
    const std::string_view prefix = std::string_view(name).substr(0, name.size() - probe.size());
    const std::string_view left = WithoutWrappers(prefix);
    if ((left.empty() || left == architecture.body) && (!found || prefix.size() < found->size()))
      found = prefix;
  }
  return found.value_or(std::string(architecture.body));
}

}  // namespace

TensorNames::TensorNames(const Checkpoint& checkpoint, const ModelSpec& spec)
    : checkpoint_(checkpoint),
      architecture_(ArchitectureOf(spec.family)),
      tied_(spec.tied_embeddings) {
  RefuseForeignWeights(checkpoint.names(), checkpoint.where());
  body_ = FindBody(checkpoint, architecture_);
  before_ = body_.ends_with(architecture_.body)
                ? body_.substr(0, body_.size() - architecture_.body.size())
                : body_;
}

bool TensorNames::Has(const std::string& name) const {
  const auto names = checkpoint_.names();
  return std::binary_search(names.begin(), names.end(), name);
}

std::string TensorNames::Body(std::string_view planned) const {
  return body_ + std::string(planned.substr(architecture_.body.size()));
}

// The name of the LM head without ".weight"; empty where there is none.
std::string TensorNames::Head() const {
  for (const std::string_view name : {architecture_.head, architecture_.head_alias}) {
    const std::string head = before_ + std::string(name);
    if (!name.empty() && Has(head + std::string(kWeight))) return head;
  }
  return "";
}

std::string TensorNames::HeadWeight() const {
  if (const std::string head = Head(); !head.empty()) return head + std::string(kWeight);
  const std::string embedding = Body(std::string(architecture_.embedding) + std::string(kWeight));
  if (tied_) return embedding;
  throw BadInput(
      "{}: the checkpoint has no LM head: the tensor {} is missing among {} (a model saved without "
      "one, such as {}); `lockstep embed` runs it; for texts take a checkpoint of {}",
      checkpoint_.where(), Quoted(std::string(architecture_.head) + std::string(kWeight)),
      checkpoint_.names().size(), architecture_.body_class, architecture_.causal_class);
}

std::string TensorNames::Of(const std::string& planned) const {
  const std::string head = std::string(architecture_.head) + ".";
  if (planned == head + "weight") return HeadWeight();
  if (planned.starts_with(head)) {  // its bias
    const std::string stem = Head().empty() ? before_ + std::string(architecture_.head) : Head();
    const std::string name = stem + planned.substr(head.size() - 1);
    return tied_ && !Has(name) ? "" : name;
  }
  const std::string name = Body(planned);
  const bool embedding = planned == std::string(architecture_.embedding) + std::string(kWeight);
  if (embedding && tied_ && !Has(name) && !Head().empty()) return HeadWeight();
  return name;
}

std::optional<TensorNames::TwoTables> TensorNames::tied_but_apart() const {
  const std::string embedding = Body(std::string(architecture_.embedding) + std::string(kWeight));
  if (!tied_ || Head().empty() || !Has(embedding)) return std::nullopt;
  return TwoTables{embedding, HeadWeight()};
}

}  // namespace lockstep
