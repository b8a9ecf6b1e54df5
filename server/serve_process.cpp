#include "server/serve_process.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "api/api_key.h"
#include "core/error.h"
#include "core/files/own_program.h"
#include "core/log.h"
#include "core/threads/affinity.h"
#include "layers/kernels/device_module.h"
#include "layers/kernels/shared_device.h"
#include "partition/plan/shard_plan.h"
#include "runtime/auto_format.h"
#include "runtime/load_model.h"
#include "runtime/model_files.h"
#include "runtime/spawn/spawn.h"
#include "runtime/tracing/traced_run.h"
#include "runtime/world/interrupt.h"
#include "runtime/world/world.h"
#include "server/frontend.h"
#include "server/groups/group_place.h"
#include "server/groups/ranks/group_job.h"
#include "server/groups/supervisor.h"
#include "server/serve_job.h"

namespace lockstep {
namespace {

// Beyond the deadline of the ranks' collectives, so that they can name the rank that hangs.
constexpr double kNamingSeconds = 3.0;

// Each group's part of the cores, where there are enough.
std::vector<std::vector<int>> CoresOfGroups(int groups) {
  if (groups == 1) return {{}};
  const std::vector<std::vector<int>> allowed(static_cast<std::size_t>(groups), AllowedCores());
  std::vector<std::vector<int>> cores;
  cores.reserve(allowed.size());
  for (int group = 0; group < groups; ++group) cores.push_back(CoresOfRank(allowed, group));
  return cores;
}

constexpr const char* kNoDevice = "-1";

// What all groups together need.
struct GpusAsked {
  int groups = 1;
  int ranks = 1;  // of a group: of all its stages
  std::string why;

  int count() const { return groups * ranks; }
};

GpusAsked GpusOf(const ParallelOptions& parallel) {
  const auto tensor = static_cast<int>(parallel.tp.value_or(1));
  const auto stages = static_cast<int>(parallel.pp);
  const auto groups = static_cast<int>(parallel.dp);
  const std::string of_stages = stages == 1 ? "" : fmt::format("--pp {} times ", stages);
  return {.groups = groups,
          .ranks = stages * tensor,
          .why = fmt::format("--dp {} times {}--tp {} needs {} GPUs", groups, of_stages, tensor,
                             groups * stages * tensor)};
}

// The GPUs of each group, as GroupProcess::Start has them. kNoDevice for all of them where there
// are not enough, or groups would compute with different bits.
std::vector<std::string> DevicesFor(const Options& options) {
  const GpusAsked asked = GpusOf(options.parallel);
  std::vector<std::string> devices(static_cast<std::size_t>(asked.groups));
  const DeviceChoice choice = options.parallel.device;
  if (asked.groups == 1 || choice == DeviceChoice::kCpu || SharedDeviceAsked()) return devices;
  int count = 0;
  try {
    count = CudaModule().DeviceCount();
  } catch (const Error&) {
    if (choice == DeviceChoice::kCuda) throw;
  }
  if (count >= asked.count())
    return DevicesOfGroups(asked.groups, asked.ranks, std::getenv("CUDA_VISIBLE_DEVICES"));
  if (choice == DeviceChoice::kCuda)
    throw EnvironmentError(
        "serve: {}, and {} can be seen here; start at most --dp {}, or use --device cpu", asked.why,
        count, std::max(1, count / asked.ranks));
  if (count > 0)
    WriteLog(LogLevel::kInfo,
             fmt::format("computing on the CPU: {}, and {} can be seen here", asked.why, count));
  std::ranges::fill(devices, kNoDevice);
  return devices;
}

// For ranks that write a trace when they end.
constexpr std::chrono::seconds kTraceTime{60};

std::vector<GroupPlan> PlansOf(const Arguments& arguments, std::span<const std::string> given,
                               const std::vector<std::string>& devices, WeightFormat format) {
  const Options& options = arguments.options;
  std::vector<std::string> command = WithoutApiKey(given);
  command.front() = OwnProgram();
  const auto groups = static_cast<int>(options.parallel.dp);
  const auto ranks = static_cast<int>(options.parallel.tp.value_or(1));
  const auto least = static_cast<int>(options.server.min_ranks.value_or(ranks));
  std::vector<GroupPlan> plans;
  for (const std::vector<int>& cores : CoresOfGroups(groups))
    plans.push_back(
        {.name = groups == 1 ? "the ranks" : fmt::format("the ranks of group {}", plans.size()),
         .command = command,
         .ranks = ranks,
         .least_ranks = std::min(least, ranks),
         .group = static_cast<int>(plans.size()),
         .groups = groups,
         .cores = cores,
         .devices = devices[plans.size()],
         .dtype = format,
         .silence_seconds = options.comm.deadline_seconds + kNamingSeconds,
         .end_time = arguments.trace_file.empty() ? std::chrono::seconds(0) : kTraceTime});
  return plans;
}

// The server sees this process alone, and has to know that a rank was killed from outside.
void EndAsAKilledRankDid() {
  if (SignalOfDeadRank() == SIGKILL) ::raise(SIGKILL);
}

// All that can be wrong is said here, once, before a group is started.
int RunSupervised(Arguments arguments, std::span<const std::string> given) {
  InstallInterruptHandlers();
  AnnounceInterrupts();
  const std::vector<std::string> devices = DevicesFor(arguments.options);
  if (devices.front() == kNoDevice) arguments.options.parallel.device = DeviceChoice::kCpu;
  const Options& options = arguments.options;
  CheckDevice(DeviceRequestOf(options, options.model.dtype.format, 1));
  if (!arguments.trace_file.empty()) CheckTraceFile(arguments.trace_file);
  const ModelFiles model = OpenModel(arguments);
  const auto ranks = static_cast<int>(options.parallel.tp.value_or(1));
  const ShardPlan plan(model.spec, ranks, static_cast<int>(options.parallel.pp));
  const ServerInput input = ReadServerInput(arguments, model, ranks);
  if (options.model.dtype.is_auto()) {
    const int all = ranks * static_cast<int>(options.parallel.pp * options.parallel.dp);
    WriteLog(LogLevel::kInfo, FormatText(FormatHere(options, model.stored, all)));
  }
  ::unsetenv(kApiKeyVariable);  // it is read, and no business of the ranks
  Supervisor supervisor({.groups = PlansOf(arguments, given, devices, model.format),
                         .most_requests = options.server.max_queue,
                         .most_sequences = options.engine.max_sequences});
  Frontend frontend(input, supervisor, supervisor);
  const auto say_ready = [&frontend] {
    FinishStepsOnInterrupt("answering what has been accepted");
    frontend.SayReady();
  };
  const ExitCode code = supervisor.Run(say_ready, [&frontend] { frontend.Look(); });
  if (code == ExitCode::kOk) frontend.Finish();
  return static_cast<int>(code);
}

}  // namespace

int RunServer(const Arguments& arguments, std::span<const std::string> given) {
  if (const auto place = GroupPlace::FromEnvironment()) {
    const Arguments own = ArgumentsOfGroup(arguments, *place);
    GroupJob job(own, place->socket);
    const int code = RunModelJob(own, given, job);
    EndAsAKilledRankDid();
    return code;
  }
  if (!InsideWorld()) return RunSupervised(arguments, given);
  if (arguments.options.parallel.dp > 1)
    throw BadInput(
        "serve: --dp is {}; expected 1 where mpirun or srun has started the ranks; start serve "
        "without it, and it starts its groups itself",
        arguments.options.parallel.dp);
  ServeJob job(arguments);
  return RunModelJob(arguments, given, job);
}

}  // namespace lockstep
