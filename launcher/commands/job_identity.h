#pragma once

#include "launcher/commands/input_lines.h"
#include "launcher/commands/journal.h"
#include "launcher/commands/model_files.h"
#include "launcher/config/options.h"

namespace lockstep {

// Everything that the output of a batch job depends on: the input, the model's files, and the
// options that change what is generated. Not the number of ranks, threads or sequences: those may
// be others when the job goes on.
JobIdentity IdentityOf(const InputSummary& input, const ModelFiles& model, const Options& options);

}  // namespace lockstep
