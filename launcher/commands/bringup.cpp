#include "launcher/commands/bringup.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "core/affinity.h"
#include "core/log.h"
#include "launcher/commands/rank_alike.h"
#include "launcher/commands/weight_source.h"
#include "launcher/world/interrupt.h"
#include "launcher/world/placement.h"
#include "launcher/world/spawn.h"
#include "launcher/world/world.h"
#include "layers/weights.h"
#include "partition/shard_plan.h"

namespace lockstep {
namespace {

// Set for the ranks we start when our own standard error is a terminal: theirs is a pipe.
constexpr const char* kTerminalVariable = "LOCKSTEP_STDERR_IS_TERMINAL";

// A line on the terminal that counts the layers; nothing when nobody watches.
LoadProgress ProgressLine(const Communicator& comm, Verbosity verbosity) {
  if (comm.rank() != 0 || verbosity == Verbosity::kQuiet || !StderrIsTerminal()) return nullptr;
  return [](std::int64_t done, std::int64_t all) {
    const std::string line =
        fmt::format("\rlockstep: loading weights {}/{}{}", done, all, done == all ? "\n" : "");
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

struct LoadJob {
  const Arguments& arguments;
  const ModelFiles& model;
  std::int64_t cache_pages;
  const RankGroup& group;
};

void LoadHere(const LoadJob& job, ModelRank& rank) {
  const Options& options = job.arguments.options;
  Communicator& comm = job.group.comm();
  const ShardPlan plan(job.model.spec, comm.size());
  const WeightSource source(job.model);
  const RankSlices slices = plan.Slices(comm.rank());
  Backend& backend = *rank.device.backend;
  ModelWeights weights =
      LoadWeights(job.model.spec, slices, options.model.dtype, source.reader(), backend,
                  ProgressLine(job.group.world(), job.arguments.verbosity));
  rank.read_bytes = source.bytes_read();
  rank.weight_bytes =
      static_cast<double>(WeightBytes(CountParameters(slices), options.model.dtype));
  rank.decoder = std::make_unique<Decoder>(
      plan, std::move(weights), backend, rank.device.communicator(comm),
      DecoderOptions{.cache_pages = job.cache_pages, .cache_dtype = options.model.kv_dtype()});
}

struct CacheOf {
  const ModelSpec& spec;
  std::int64_t pages;
};

// What was asked for, or as much of it as fits where nobody has said how much there must be.
std::int64_t PagesOf(const Options& options, const CacheOf& cache, const ModelRank& rank,
                     const RankGroup& group) {
  if (options.engine.cache_tokens) return cache.pages;
  const ModelSpec& spec = cache.spec;
  const RankSlices slices = ShardPlan(spec, group.size()).Slices(group.comm().rank());
  const std::int64_t width =
      rank.device.backend->CacheWidth(spec.d_head(), options.model.kv_dtype());
  const std::int64_t elements =
      2 * spec.layer_count * slices.local_heads() * KvCache::kPageTokens * width;
  return FittingPages(rank.device,
                      {.wanted = cache.pages,
                       .least = std::min(cache.pages, KvCache::PagesFor(spec.context_tokens)),
                       .weight_bytes = static_cast<double>(
                           WeightBytes(CountParameters(slices), options.model.dtype)),
                       .page_bytes = static_cast<double>(elements) *
                                     static_cast<double>(SizeOf(options.model.kv_dtype()))},
                      group.world());
}

// Nobody has asked for it by name: a container that forbids it only makes the rank slower.
void BindWhereAllowed(std::span<const int> cores) {
  try {
    BindThisThread(cores);
  } catch (const Error& error) {
    WriteLog(LogLevel::kDebug, fmt::format("threads are not bound to cores: {}", error.what()));
  }
}

}  // namespace

DeviceRequest DeviceRequestOf(const Options& options, int threads) {
  return {.choice = options.parallel.device,
          .cpu_backend = options.engine.backend,
          .threads = threads,
          .format = options.model.dtype,
          .cache_dtype = options.model.kv_dtype(),
          .graphs = options.parallel.cuda_graphs};
}

bool StderrIsTerminal() {
  return ::isatty(STDERR_FILENO) != 0 || std::getenv(kTerminalVariable) != nullptr;
}

ModelRank LoadModel(const Arguments& arguments, const ModelFiles& model, std::int64_t cache_pages,
                    const RankGroup& group) {
  const auto start = std::chrono::steady_clock::now();
  ModelRank rank;
  const ParallelOptions& parallel = arguments.options.parallel;
  // All groups share the cores, whichever they are in.
  const Placement placement =
      PlaceRank(group.world(), {.threads = parallel.threads, .bind = parallel.bind});
  group.comm().set_waiting(placement.waiting);
  rank.threads = placement.threads;
  // Before the backend starts its threads and touches its memory: both stay where this is.
  BindWhereAllowed(placement.cores);
  rank.device = OpenDevice(DeviceRequestOf(arguments.options, rank.threads), group);
  const std::int64_t pages = PagesOf(arguments.options, {model.spec, cache_pages}, rank, group);
  Agree(group.world(), "loading weights", [&] {
    LoadHere({arguments, model, pages, group}, rank);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  WriteLog(LogLevel::kDebug,
           fmt::format("loaded in {:.2f} s; {:.1f} MB of KV cache, {} threads", took.count(),
                       1e-6 * static_cast<double>(rank.decoder->cache().bytes()), rank.threads));
  return rank;
}

double PeakMemoryBytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

WorldOptions OptionsOfWorld(const Options& options) {
  return {.deadline_seconds = options.comm.deadline_seconds,
          .init_deadline_seconds = options.comm.init_deadline_seconds,
          .shared_memory = options.comm.shared_memory};
}

int RunOnRanks(const Arguments& arguments, std::span<const std::string> arguments_given,
               const RankProgram& program) {
  const Options& options = arguments.options;
  const auto groups = static_cast<int>(options.parallel.dp);
  const auto ranks = static_cast<int>(options.parallel.tp.value_or(InsideWorld() ? 0 : 1)) * groups;
  if (ranks > 1 && !InsideWorld()) {
    InstallInterruptHandlers();
    AnnounceInterrupts();
    CheckDevice(DeviceRequestOf(options, 1));
    program.check(ranks / groups);
    if (::isatty(STDERR_FILENO) != 0) ::setenv(kTerminalVariable, "1", 1);
    return SpawnWorld({ranks, options.comm.init_deadline_seconds}, arguments_given);
  }
  const WorldConfig config{.expected_ranks = ranks,
                           .groups = groups,
                           .deadline_seconds = options.comm.deadline_seconds,
                           .init_deadline_seconds = options.comm.init_deadline_seconds,
                           .shared_memory = options.comm.shared_memory,
                           .facts = SettingsOf(arguments)};
  return RunWorld(config, [&](Communicator& comm) { return static_cast<int>(program.run(comm)); });
}

}  // namespace lockstep
