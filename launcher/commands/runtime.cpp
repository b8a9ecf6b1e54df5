#include "launcher/commands/runtime.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "core/activity.h"
#include "core/log.h"
#include "launcher/world/spawn.h"
#include "launcher/world/thread_share.h"
#include "launcher/world/world.h"
#include "layers/weights.h"
#include "partition/checkpoint.h"
#include "partition/shard_plan.h"
#include "partition/slice_reader.h"

namespace lockstep {
namespace {

// Set for the ranks we start when our own standard error is a terminal: theirs is a pipe.
constexpr const char* kTerminalVariable = "LOCKSTEP_STDERR_IS_TERMINAL";

bool StderrIsTerminal() {
  return ::isatty(STDERR_FILENO) != 0 || std::getenv(kTerminalVariable) != nullptr;
}

// A line on the terminal that counts the layers; nothing when nobody watches.
LoadProgress ProgressLine(const Communicator& comm, Verbosity verbosity) {
  if (comm.rank() != 0 || verbosity == Verbosity::kQuiet || !StderrIsTerminal()) return nullptr;
  return [](std::int64_t done, std::int64_t all) {
    const std::string line =
        fmt::format("\rlockstep: loading weights {}/{}{}", done, all, done == all ? "\n" : "");
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

// What a rank holds while it lives. Members are destroyed last first: the decoder's weights
// before the backend they live on.
struct Rank {
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Decoder> decoder;
  double weight_bytes = 0.0;
  double read_bytes = 0.0;  // of the checkpoint
};

double PeakMemoryBytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

// What someone who measures scaling wants of each rank.
void ReportMemory(const Rank& rank) {
  WriteLog(LogLevel::kDebug,
           fmt::format("read {:.1f} MB of the checkpoint for {:.1f} MB of weights; peak memory "
                       "{:.1f} MB",
                       1e-6 * rank.read_bytes, 1e-6 * rank.weight_bytes, 1e-6 * PeakMemoryBytes()));
}

class Bringup {
 public:
  Bringup(const Arguments& arguments, Communicator& comm) : arguments_(arguments), comm_(comm) {}

  // Rank 0 checks the job as well; the others only need the model.
  ModelFiles Check(ModelJob& job) {
    ModelFiles model;
    Agree(comm_, "reading the model's configuration and the input", [&] {
      model = OpenModel(arguments_.options);
      ShardPlan(model.spec, comm_.size());
      if (comm_.rank() == 0) job.Prepare(model);
    });
    return model;
  }

  Rank Load(const ModelFiles& model, std::int64_t cache_pages) {
    const int threads = ThreadShare(comm_, arguments_.options.parallel.threads);
    const auto start = std::chrono::steady_clock::now();
    Rank rank;
    Agree(comm_, "loading weights", [&] { LoadHere(model, cache_pages, threads, rank); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    WriteLog(LogLevel::kDebug,
             fmt::format("loaded in {:.2f} s; {:.1f} MB of KV cache, {} threads", took.count(),
                         1e-6 * static_cast<double>(rank.decoder->cache().bytes()), threads));
    return rank;
  }

 private:
  void LoadHere(const ModelFiles& model, std::int64_t cache_pages, int threads, Rank& rank) {
    const Options& options = arguments_.options;
    const ShardPlan plan(model.spec, comm_.size());
    const Checkpoint checkpoint = Checkpoint::Open(model.folder);
    rank.backend = MakeBackend(options.engine.backend, threads);
    const RankSlices slices = plan.Slices(comm_.rank());
    ModelWeights weights =
        LoadWeights(slices, options.model.dtype, ReaderOf(checkpoint, model.spec.family),
                    *rank.backend, ProgressLine(comm_, arguments_.verbosity));
    rank.read_bytes = static_cast<double>(checkpoint.bytes_read());
    rank.weight_bytes =
        static_cast<double>(WeightBytes(CountParameters(slices), options.model.dtype));
    rank.decoder = std::make_unique<Decoder>(
        plan, std::move(weights), *rank.backend, comm_,
        DecoderOptions{.cache_pages = cache_pages, .cache_dtype = options.model.dtype});
  }

  const Arguments& arguments_;
  Communicator& comm_;
};

// Rank 0's number on every rank.
std::int64_t Share(Communicator& comm, std::int64_t number) {
  Communicator::Bytes bytes(sizeof(number));
  std::memcpy(bytes.data(), &number, sizeof(number));
  comm.Broadcast(bytes);
  LOCKSTEP_CHECK(bytes.size() == sizeof(number), "{} bytes", bytes.size());
  std::memcpy(&number, bytes.data(), sizeof(number));
  return number;
}

ExitCode RunOnRank(const Arguments& arguments, ModelJob& job, Communicator& comm) {
  Bringup bringup(arguments, comm);
  const ModelFiles model = bringup.Check(job);
  const std::int64_t pages = Share(comm, comm.rank() == 0 ? job.cache_pages() : 0);
  const Rank rank = bringup.Load(model, pages);
  const Activity doing("generating");
  if (comm.rank() != 0) {
    RunWorker(*rank.decoder, comm);
    ReportMemory(rank);
    return ExitCode::kOk;
  }
  const EngineLimits& limits = arguments.options.engine;
  Engine engine(*rank.decoder, comm,
                {.max_sequences = limits.max_sequences,
                 .max_step_tokens = limits.max_step_tokens,
                 .sampled_vocab = job.sampled_vocab(),
                 .eos_token = model.eos_token});
  const ExitCode code = job.Run(engine);
  engine.Shutdown();
  ReportMemory(rank);
  return code;
}

// Checks everything in this process, so that bad input is one message, and then becomes the
// parent of the ranks. What was checked is given up before they start: they have their own.
int SpawnRanks(const Arguments& arguments, std::span<const std::string> arguments_given,
               ModelJob& job, int ranks) {
  {
    const ModelFiles model = OpenModel(arguments.options);
    const ShardPlan plan(model.spec, ranks);
    job.Prepare(model);
  }
  if (::isatty(STDERR_FILENO) != 0) ::setenv(kTerminalVariable, "1", 1);
  return SpawnWorld(ranks, arguments_given);
}

}  // namespace

bool ShowsStatistics(Verbosity verbosity) {
  if (verbosity == Verbosity::kVerbose) return true;
  // Not for the ranks we start: their two outputs come by different ways, and the one that reports
  // would land in the middle of the text.
  return verbosity == Verbosity::kNormal && ::isatty(STDERR_FILENO) != 0;
}

int RunModelJob(const Arguments& arguments, std::span<const std::string> arguments_given,
                ModelJob& job) {
  const Options& options = arguments.options;
  const auto ranks = static_cast<int>(options.parallel.tp.value_or(0));
  if (ranks > 1 && !InsideWorld()) return SpawnRanks(arguments, arguments_given, job, ranks);
  const WorldConfig config{.expected_ranks = ranks,
                           .deadline_seconds = options.comm.deadline_seconds,
                           .init_deadline_seconds = options.comm.init_deadline_seconds};
  return RunWorld(config, [&](Communicator& comm) {
    return static_cast<int>(RunOnRank(arguments, job, comm));
  });
}

}  // namespace lockstep
