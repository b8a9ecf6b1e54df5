#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/error.h"
#include "runtime/options/arguments.h"
#include "serving/model_job.h"

namespace lockstep {

// A model, named by arguments.options.model, and what is done with it.
struct ModelRun {
  const Arguments* arguments;
  ModelJob* job;
};

// Several models that one command works with, one after the other on the same ranks. They differ in
// nothing but their names. Every rank makes the same Begin() calls, and so may the process that
// starts the ranks; all other calls are for whoever ends the command: rank 0, or that process
// where nothing is left to compute.
class ModelSeries {
 public:
  virtual ~ModelSeries() = default;

  // What all have in common, and the name of the first. They stay valid.
  virtual const Arguments& arguments() const = 0;
  virtual std::size_t size() const = 0;  // at least 1
  // A model, from the first to the last, and its job, which has not been prepared. Both stay valid
  // until the next call of Begin().
  virtual ModelRun Begin(std::size_t index) = 0;

  // The job of the model that was begun last has ended with this code, or was finished() already.
  virtual void Done(std::size_t index, ExitCode code) = 0;
  // That model cannot be used: it is missing, damaged or too large. The others are. Never called
  // where there is one model alone, whose error is the command's.
  virtual void LeaveOut(std::size_t index, const Error& why) = 0;
  // Behind all of them. Returns the process's exit code.
  virtual ExitCode End() = 0;
};

// Brings the models up one after the other on the ranks that --tp and --dp ask for or mpirun has
// started, and runs their jobs. The ranks, their devices and their caches stay where the next model
// has the same shape: its weights are read beside those of the one before and take their place, or
// after them where there is no room for both. Ends early, with that code, when it is interrupted.
// arguments_given is the command line, for the ranks to repeat.
int RunModelSeries(ModelSeries& series, std::span<const std::string> arguments_given);

}  // namespace lockstep
