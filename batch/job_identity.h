#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batch/files/input_lines.h"
#include "core/json.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// What a job was asked to do, as (name, value) pairs: a job goes on, or is done already, only where
// all are the same, because only then its output is the same.
using JobIdentity = std::vector<std::pair<std::string, std::string>>;

// Everything that the output of a job depends on: the program and its command, the input, the
// model's files, the options that change results, and what their last bits come from. Not the
// number of threads, groups or sequences, nor that of ranks as far as it changes no bit: those may
// be others when the job goes on.
struct JobParts {
  Command command;
  const Options& options;  // with the model's defaults
  const InputSummary& input;
  const ModelFiles& model;
  int group_size = 1;  // ranks that share a model
};
JobIdentity IdentityOf(const JobParts& parts);

// As an object, for the files that keep it.
nlohmann::ordered_json ToJson(const JobIdentity& identity);

// How a job that was kept so differs: "another sampling.seed: it was 0 and is 5 now"; nothing where
// it is the same. `before` may be any JSON.
std::optional<std::string> Difference(const JobIdentity& identity, const Json& before);

}  // namespace lockstep
