#include "runtime/load_model.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/heartbeat.h"
#include "core/log.h"
#include "core/logging/structured_log.h"
#include "layers/weights.h"
#include "partition/plan/shard_plan.h"
#include "runtime/memory/cache_size.h"
#include "runtime/memory/memory_check.h"
#include "runtime/memory/memory_need.h"
#include "runtime/placement/placement.h"
#include "runtime/placement/uneven_hosts.h"
#include "runtime/progress/load_progress.h"
#include "runtime/progress/terminal.h"
#include "runtime/rank_alike.h"
#include "runtime/spawn/elastic_world.h"
#include "runtime/spawn/spawn.h"
#include "runtime/tracing/traced_run.h"
#include "runtime/weight_source.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

struct LoadJob {
  const Arguments& arguments;
  const ModelFiles& model;
  std::optional<std::int64_t> cache_pages;
  const ProcessGrid& grid;
  bool on_gpus = false;

  const EngineLimits& limits() const { return arguments.options.engine; }
  DType kv_dtype() const { return arguments.options.model.kv_dtype(model.format); }
  ShardPlan Plan() const {
    return ShardPlan(model.spec, grid.shape().tensor, grid.shape().pipeline);
  }
  // In its copy, as the plan counts.
  int rank() const { return grid.copy().rank(); }
};

std::int64_t LeastOfAll(ControlPlane& world, std::int64_t number) {
  for (const auto& theirs : world.AllGather(std::as_bytes(std::span(&number, 1)))) {
    std::int64_t other = number;
    std::memcpy(&other, theirs.data(), std::min(theirs.size(), sizeof(other)));
    number = std::min(number, other);
  }
  return number;
}

StepLimits LimitsOfSteps(const LoadJob& job) {
  return StepLimitsOf({.max_sequences = job.limits().max_sequences,
                       .max_step_tokens = job.limits().step_tokens(job.on_gpus),
                       .context_tokens = job.model.spec.context_tokens,
                       .vocab_rows = job.model.spec.vocab_rows});
}

RankSlices SlicesOf(const LoadJob& job) {
  RankSlices slices = job.Plan().Slices(job.rank());
  // Vectors need no logits: models without an LM head have them too.
  if (job.arguments.command == Command::kEmbed) slices.head = {};
  return slices;
}

WeightsBeside ReadHere(const LoadJob& job, const Backend& backend, const LoadProgress& progress) {
  const WeightSource source(job.model);
  if (job.grid.world().rank() == 0) {
    source.WarnOfTwoTables(job.model);
    source.WarnOfUnusedBlocks(job.model);
  }
  ModelWeights weights = LoadWeights(job.model.spec, SlicesOf(job), job.model.format,
                                     source.reader(), backend, progress);
  return {std::move(weights), source.bytes_read()};
}

double WeightBytesOf(const LoadJob& job) {
  return static_cast<double>(WeightBytes(CountParameters(SlicesOf(job)), job.model.format));
}

// Of all ranks of the group.
double AllWeightBytes(const LoadJob& job) {
  const ShardPlan plan = job.Plan();
  double bytes = 0.0;
  for (int rank = 0; rank < plan.rank_count(); ++rank)
    bytes += static_cast<double>(WeightBytes(CountParameters(plan.Slices(rank)), job.model.format));
  return bytes;
}

// One rank speaks for all. Logs for programs have other lines.
ProgressOutput ProgressOfLoading(const LoadJob& job) {
  const bool speaks = job.grid.world().rank() == 0 && CurrentLogFormat() == LogFormat::kPlain;
  return speaks ? ProgressOnStderr(job.arguments.verbosity) : ProgressOutput{};
}

// Seconds of a sum of one value, the mean of several: what the network takes whatever the bytes.
// One alone may find the others' values there already. Rank 0's on every rank.
double SumLatency(Communicator& ranks) {
  constexpr int kSums = 20;
  const Tensor value = Tensor::OnHost(DType::kF32, {1});
  value.view().data<float>()[0] = 0.0F;
  ranks.AllReduceSum(value.view(), {});  // makes the connections
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kSums; ++i) ranks.AllReduceSum(value.view(), {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  double mean = took.count() / kSums;
  ControlPlane::Bytes bytes(sizeof(mean));
  std::memcpy(bytes.data(), &mean, sizeof(mean));
  ranks.Broadcast(bytes);
  LOCKSTEP_CHECK(bytes.size() == sizeof(mean), "{} bytes", bytes.size());
  std::memcpy(&mean, bytes.data(), sizeof(mean));
  return mean;
}

// Within a host a sum takes less than reading the weights twice. Halves send twice as often, one
// behind the other: that has to take less than what they compute meanwhile. Collective.
DecoderOptions::Sums SumsOf(OverlapSums asked, Communicator& ranks, const RankDevice& device) {
  if (asked == OverlapSums::kOn) return DecoderOptions::Sums::kBesideProducts;
  constexpr double kLongestSeconds = 5e-3;
  const HostMap& hosts = ranks.hosts();
  const bool is_one_host = std::ssize(hosts.Neighbours(0)) == hosts.size();
  if (asked == OverlapSums::kOff || device.on_gpu() || is_one_host)
    return DecoderOptions::Sums::kAwaited;
  const double latency = SumLatency(ranks);
  const bool is_short = latency <= kLongestSeconds;
  WriteLog(LogLevel::kDebug,
           fmt::format("a small sum over the hosts takes {:.2f} ms: those of "
                       "prompts {}",
                       1e3 * latency, is_short ? "travel beside products" : "are awaited"));
  return is_short ? DecoderOptions::Sums::kBesideProducts : DecoderOptions::Sums::kAwaited;
}

void LoadHere(const LoadJob& job, DecoderOptions::Sums sums, LoadedModel& rank,
              LoadingLine& report) {
  const Backend& backend = rank.device.backend;
  WeightsBeside read = ReadHere(job, backend, [&report](std::int64_t done, std::int64_t all) {
    report.Note(done, all);
    Heartbeat();  // random weights take long, too
  });
  rank.read_bytes = read.read_bytes;
  rank.weight_bytes = WeightBytesOf(job);
  rank.decoder = std::make_unique<Decoder>(job.Plan(), std::move(read.weights), backend,
                                           rank.device.reducer(job.grid.tensor()),
                                           DecoderOptions{.cache_pages = 0,
                                                          .cache_dtype = job.kv_dtype(),
                                                          .stage = job.grid.place().pipeline,
                                                          .sums = sums});
}

void LoadTogether(const LoadJob& job, LoadedModel& rank) {
  LoadingLine report(ProgressOfLoading(job), AllWeightBytes(job));
  const HostMap& hosts = job.grid.world().hosts();
  const DecoderOptions::Sums sums =
      SumsOf(job.arguments.options.parallel.overlap_sums, job.grid.tensor(), rank.device);
  Agree(job.grid.world(), "loading weights", [&] { LoadHere(job, sums, rank, report); },
        {.mine = [&] { return report.share(); },
         .heard = [&](std::span<const double> shares) { report.NoteRanks(hosts, shares); }});
}

// A device's memory is taken now. A host's is taken when it is used: steps are mostly small.
void ReserveSteps(const LoadJob& job, LoadedModel& rank) {
  if (!rank.device.on_gpu()) return;
  Agree(job.grid.world(), "making room for steps",
        [&] { rank.decoder->Reserve(LimitsOfSteps(job)); });
  rank.decoder->Connect();
}

// Fewer pages than a context has are of use only where that was asked for.
std::int64_t LeastPages(const LoadJob& job) {
  return job.cache_pages.value_or(KvCache::PagesFor(job.model.spec.context_tokens));
}

std::vector<WeightFormat> FormatsOf(const RankDevice& device) {
  if (!device.on_gpu()) return {WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4};
  return {WeightFormat::kInt8, WeightFormat::kInt4};
}

struct LoadPlace {
  const LoadJob& job;
  const ShardPlan& plan;
  const RankDevice& device;
};

RankLoad LoadWith(const LoadPlace& place, WeightFormat format) {
  const auto& [job, plan, device] = place;
  const ModelOptions& options = job.arguments.options.model;
  return {.plan = plan,
          .format = format,
          .cache_dtype = options.cache_dtype.value_or(TableDType(format)),
          .activations = device.on_gpu() ? DType::kBF16 : DType::kF32,
          .cache_pages = LeastPages(job),
          .step = LimitsOfSteps(job)};
}

enum class Claimed { kAll, kWeights };  // what a rank will take: all that it needs, or more weights

// What this rank will take, of each pool.
std::vector<MemoryClaim> ClaimsOf(const LoadJob& job, const RankDevice& device, Claimed claimed) {
  const ShardPlan plan = job.Plan();
  const int rank = job.rank();
  const auto need_with = [&](WeightFormat format) {
    MemoryNeed need = NeedOf(LoadWith({job, plan, device}, format), rank);
    if (device.on_gpu()) need.staging = 0.0;  // on the host
    if (claimed == Claimed::kWeights) need.cache = need.activations = 0.0;
    return need;
  };
  const double mapped = job.model.random_seed ? 0.0 : MappedBytes(job.model.folder);
  std::vector<MemoryClaim> claims;
  for (const MemoryPool& pool : PoolsOf(device)) {
    const double beside = pool.counts == MemoryPool::Counts::kMapped ? mapped : 0.0;
    MemoryClaim claim{.pool = pool,
                      .need = need_with(job.model.format),
                      .otherwise = {},
                      .rank = job.grid.world().rank()};
    claim.need.staging += beside;
    for (const WeightFormat format : FormatsOf(device))
      claim.otherwise.emplace_back(Name(format), need_with(format).total() + beside);
    claims.push_back(std::move(claim));
  }
  return claims;
}

// What the cache leaves free, because other weights are to be read beside those that are there.
double KeptForWeights(const LoadJob& job) {
  const bool others =
      job.arguments.options.server.allow_load || job.arguments.evaluation.checkpoints() > 1;
  return others ? WeightBytesOf(job) : 0.0;
}

// The pages of the cache: as many as every rank has room for, now that all else is there.
std::int64_t PagesOf(const LoadJob& job, const LoadedModel& rank) {
  if (job.cache_pages) return *job.cache_pages;
  const ModelSpec& spec = job.model.spec;
  const DType dtype = job.kv_dtype();
  const RankSlices slices = job.Plan().Slices(job.rank());
  const std::int64_t elements = 2 * slices.blocks.size() * slices.local_heads() *
                                KvCache::kPageTokens *
                                rank.device.backend.ops->CacheWidth(spec.d_head(), dtype);
  const CachePlace place = rank.device.on_gpu() ? CachePlace::kDevice : CachePlace::kHost;
  const std::int64_t least = LeastPages(job);
  return LeastOfAll(
      job.grid.world(),
      FittingPages(
          {.free_bytes =
               ShareOfMemory(job.grid.world(), PoolsOf(rank.device)) - KeptForWeights(job),
           .fraction = MemoryFraction(place, job.limits()),
           .page_bytes = static_cast<double>(elements) * static_cast<double>(SizeOf(dtype)),
           .least = least,
           .most = std::max(least, MostPages(place, job.limits(), spec))}));
}

// No cache is smaller than what one text can need.
void WarnOfSmallCache(const LoadJob& job) {
  const std::int64_t least = LeastPages(job) * KvCache::kPageTokens;
  const auto& asked = job.limits().cache_tokens;
  if (job.grid.world().rank() != 0 || !asked || *asked >= least) return;
  LogWarning("engine.cache_tokens is {}; a text may need {}, so the KV cache holds {} tokens",
             *asked, least, least);
}

// The first group speaks for all, which are placed alike.
void WarnOfUnevenHosts(const Options& options, const ProcessGrid& grid) {
  if (options.comm.shared_memory != SharedMemory::kAuto || grid.world().rank() != 0) return;
  const std::string why = WhyMemoryIsNotShared(grid.tensor().hosts());
  if (!why.empty()) LogWarning("{}", why);
}

}  // namespace

ProcessGrid FormGrid(Communicator& world, const ParallelOptions& parallel) {
  const auto stages = static_cast<int>(parallel.pp);
  const auto copies = static_cast<int>(parallel.dp);
  if (stages * copies == 1) return ProcessGrid(world);
  std::optional<ProcessGrid> grid;
  Agree(world, "forming groups", [&] {
    grid.emplace(
        world,
        GridShape{.tensor = world.size() / (stages * copies), .pipeline = stages, .data = copies});
  });
  return *std::move(grid);
}

DeviceRequest DeviceRequestOf(const Options& options, std::optional<WeightFormat> format,
                              int threads) {
  return {.choice = options.parallel.device,
          .cpu_backend = options.engine.backend,
          .threads = threads,
          .format = format,
          .cache_dtype = format ? options.model.kv_dtype(*format) : options.model.cache_dtype,
          .settings = {.graphs = options.parallel.cuda_graphs,
                       .batch_invariant = options.parallel.batch_invariant}};
}

LoadedModel LoadModel(const Arguments& arguments, const ModelFiles& model,
                      std::optional<std::int64_t> cache_pages, const ProcessGrid& grid) {
  const auto start = std::chrono::steady_clock::now();
  LoadedModel rank;
  const ParallelOptions& parallel = arguments.options.parallel;
  LoadJob job{arguments, model, cache_pages, grid};
  // All groups share the cores, whichever they are in.
  const Placement placement =
      PlaceRank(grid.world(), {.threads = parallel.threads, .bind = parallel.bind});
  grid.copy().set_waiting(placement.waiting);
  grid.tensor().set_waiting(placement.waiting);
  WarnOfUnevenHosts(arguments.options, grid);
  rank.threads = placement.threads;
  // Before the backend starts its threads and touches its memory: both stay where this is.
  BindWhereAllowed(placement);
  rank.device = OpenDevice(DeviceRequestOf(arguments.options, model.format, rank.threads), grid);
  job.on_gpus = rank.device.on_gpu();
  if (job.limits().memory_check == MemoryCheck::kAuto)
    CheckMemory(grid.world(), ClaimsOf(job, rank.device, Claimed::kAll));
  LoadTogether(job, rank);
  ReserveSteps(job, rank);
  WarnOfSmallCache(job);
  const std::int64_t pages = PagesOf(job, rank);
  Agree(grid.world(), "making room for the KV cache", [&] { rank.decoder->AllocateCache(pages); });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  WriteLog(LogLevel::kDebug,
           fmt::format("loaded in {:.2f} s; {:.1f} MB of KV cache, {} threads", took.count(),
                       1e-6 * static_cast<double>(rank.decoder->cache().bytes()), rank.threads));
  return rank;
}

WeightsBeside LoadWeightsBeside(const Arguments& arguments, const ModelFiles& model,
                                const ProcessGrid& grid, const LoadedModel& rank) {
  const LoadJob job{arguments, model, std::nullopt, grid, rank.device.on_gpu()};
  if (job.limits().memory_check == MemoryCheck::kAuto) {
    try {
      CheckMemory(grid.world(), ClaimsOf(job, rank.device, Claimed::kWeights));
    } catch (const AgreedError& error) {
      throw AgreedError(error.code(), fmt::format("beside the weights in use: {}", error.what()));
    }
  }
  WeightsBeside beside;
  Agree(grid.world(), "loading other weights", [&] {
    beside = ReadHere(job, rank.device.backend, [](std::int64_t, std::int64_t) { Heartbeat(); });
  });
  return beside;
}

double PeakMemoryBytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

namespace {

// Whether there is anything for --elastic to do.
void CheckElasticity(const Arguments& arguments, int ranks) {
  if (arguments.lost_ranks != LostRanks::kStartAgain || ElasticStart::OfThisWorld()) return;
  if (InsideWorld())
    throw BadInput(
        "--elastic: these ranks were started by mpirun or srun, which ends with them; start "
        "lockstep without "
        "it, with --tp, --pp or --dp");
  if (ranks <= 1)
    throw BadInput("--elastic: there is one rank only; expected --tp N, --pp P or --dp D");
}

}  // namespace

int RunOnRanks(const Arguments& arguments, std::span<const std::string> arguments_given,
               const RankProgram& program) {
  const Options& options = arguments.options;
  // Without --tp a world that somebody else has started is taken as it is: 0.
  const WorldLayout layout{
      .tensor = static_cast<int>(options.parallel.tp.value_or(InsideWorld() ? 0 : 1)),
      .pipeline = static_cast<int>(options.parallel.pp),
      .copies = static_cast<int>(options.parallel.dp)};
  const int ranks = layout.ranks();
  if (ranks > 1 && !InsideWorld()) {
    InstallInterruptHandlers();
    AnnounceInterrupts();
    CheckDevice(DeviceRequestOf(options, options.model.dtype.format, 1));
    if (!arguments.trace_file.empty()) CheckTraceFile(arguments.trace_file);
    program.check(layout.tensor);
    if (const auto code = program.done()) {
      if (!arguments.trace_file.empty())
        LogWarning("{}: nothing was computed, so that there is no trace", arguments.trace_file);
      return static_cast<int>(*code);
    }
    TellRanksOfTerminal();
    const SpawnOptions spawned{ranks, options.comm.init_deadline_seconds};
    if (arguments.lost_ranks == LostRanks::kStartAgain)
      return SpawnElasticWorld(spawned, layout, arguments_given);
    return SpawnWorld(spawned, arguments_given);
  }
  CheckElasticity(arguments, ranks);
  WorldConfig config;
  config.expected_ranks = ranks;
  config.groups = layout.copies;
  config.stages = layout.pipeline;
  if (options.stated.contains("parallel.tp")) config.asked_by = options.stated.at("parallel.tp");
  config.world.deadline_seconds = options.comm.deadline_seconds;
  config.world.init_deadline_seconds = options.comm.init_deadline_seconds;
  config.world.shared_memory = options.comm.shared_memory;
  config.facts = SettingsOf(arguments);
  return RunWorld(config, [&](Communicator& comm) {
    const auto work = [&] { return program.run(comm); };
    const std::string& trace = arguments.trace_file;
    return static_cast<int>(trace.empty() ? work() : RunTraced(comm, trace, work));
  });
}

}  // namespace lockstep
