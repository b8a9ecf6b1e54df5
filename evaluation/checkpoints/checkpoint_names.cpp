#include "evaluation/checkpoints/checkpoint_names.h"

#include "core/error.h"
#include "core/files/file.h"
#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

// A folder may have an @ in its name.
CheckpointName Split(const std::string& model) {
  const std::size_t at = model.find('@');
  if (at == model.npos || FileExists(model)) return {model, ""};
  return {model.substr(0, at), model.substr(at + 1)};
}

void CheckHasRevisions(const std::string& model) {
  if (FileExists(model))
    throw BadInput(
        "--revisions: the model {} is a folder, which has no revisions; give the name org/name of "
        "a model in the Hugging Face cache, or leave --revisions out",
        QuotedText(model));
  if (model.find('@') != model.npos)
    throw BadInput("--revisions: the model {} names a revision itself; give it in one of them",
                   QuotedText(model));
}

}  // namespace

std::vector<CheckpointName> CheckpointsOf(const EvaluationOptions& options) {
  std::vector<CheckpointName> names;
  for (const std::string& model : options.models) {
    if (options.revisions.empty()) names.push_back(Split(model));
    if (!options.revisions.empty()) CheckHasRevisions(model);
    for (const std::string& revision : options.revisions) names.push_back({model, revision});
  }
  return names;
}

}  // namespace lockstep
