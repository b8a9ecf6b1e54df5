#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "comm/groups/process_grid.h"
#include "layers/decoder.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"
#include "runtime/rank_device.h"

namespace lockstep {

// What commands that run a model on several ranks have in common.

// The world as --pp and --dp divide it, where the rest divides a stage (--tp). Collective.
ProcessGrid FormGrid(Communicator& world, const ParallelOptions& parallel);

// What a rank holds while it lives. Members are destroyed last first: the decoder's weights
// before the device they live on.
struct LoadedModel {
  RankDevice device;
  std::unique_ptr<Decoder> decoder;
  int threads = 1;
  double weight_bytes = 0.0;
  double read_bytes = 0.0;  // of the checkpoint
};

// Loads this rank's part of its group's model, with a cache of so many pages, or as memory allows.
// Throws EnvironmentError, before anything is read, where what is to be loaded does not fit into
// memory. Collective over the world.
LoadedModel LoadModel(const Arguments& arguments, const ModelFiles& model,
                      std::optional<std::int64_t> cache_pages, const ProcessGrid& grid);

// Reads this rank's part of another checkpoint of the same shape beside the weights that it has,
// which stay as they are. Throws EnvironmentError, before anything is read, where there is no room
// for both. Collective over the grid's world: where it throws, it does on every rank.
struct WeightsBeside {
  ModelWeights weights;
  double read_bytes = 0.0;  // of the checkpoint
};
WeightsBeside LoadWeightsBeside(const Arguments& arguments, const ModelFiles& model,
                                const ProcessGrid& grid, const LoadedModel& rank);

// What parallel.device and what depends on it ask for, with weights of this format; unset: it is
// not chosen yet.
DeviceRequest DeviceRequestOf(const Options& options, std::optional<WeightFormat> format,
                              int threads);

// The most memory this process has had so far.
double PeakMemoryBytes();

struct RankProgram {
  // Throws for everything that can be wrong with the input. Called in the process that starts the
  // ranks, so that bad input is one message, and keeps nothing: the ranks check for themselves.
  std::function<void(int ranks)> check;             // of a stage of a group
  std::function<ExitCode(Communicator& comm)> run;  // on every rank
  // After check(): the exit code where nothing is to be done.
  std::function<std::optional<ExitCode>()> done = [] { return std::nullopt; };
};

// Runs the program on the ranks that --tp, --pp and --dp ask for or mpirun has started and returns
// the process's exit code. arguments_given is the command line, for the ranks to repeat.
int RunOnRanks(const Arguments& arguments, std::span<const std::string> arguments_given,
               const RankProgram& program);

}  // namespace lockstep
