#include "batch/batch_job.h"

#include "api/chat_support.h"
#include "batch/batch_worker.h"
#include "batch/files/input_format.h"
#include "batch/job_identity.h"
#include "batch/output.h"
#include "batch/queue/remote_work_queue.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "runtime/memory/cache_size.h"
#include "runtime/progress/terminal.h"
#include "runtime/standard_streams.h"
#include "runtime/world/launch_environment.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// Lines that come to a terminal show themselves how far a job is. A line of progress, which is
// written over and over, would stand among them.
ProgressOutput ProgressBeside(const std::string& output, Verbosity verbosity) {
  if (output == "-" && StdoutIsTerminal()) return {};
  return ProgressOnStderr(verbosity);
}

std::optional<FinishedJob> FinishedBefore(const std::string& output, const JobIdentity& identity,
                                          OtherJob other) {
  const auto found = FindFinished(output, identity, other);
  if (!found) return std::nullopt;
  return FinishedJob{.lines = found->lines, .errors = found->errors};
}

}  // namespace

Task BatchJob::task() const {
  switch (arguments_.command) {
    case Command::kScore: return Task::kScore;
    case Command::kEmbed: return Task::kEmbed;
    default: return Task::kGenerate;
  }
}

// All rows count for a score: a probability is one among all that the model gives, padding
// included.
std::int64_t BatchJob::sampled_vocab() const {
  return task() == Task::kGenerate ? tokenizer_->vocab_size() : spec_.vocab_rows;
}

// What `--dtype auto` comes to depends on all hosts, of which the process that starts the ranks
// sees its own.
bool BatchJob::KnowsFormat() const {
  return !options_.model.dtype.is_auto() || InsideWorld() || !MayUseOtherHosts();
}

bool BatchJob::KeepsJournal() const { return IsAtomicTarget(arguments_.output); }

void BatchJob::Prepare(const ModelFiles& model) {
  RefuseSameFile(arguments_.input, arguments_.output);
  KeepInput(arguments_.input);
  RefuseOtherFormats(arguments_.input);
  input_ = SummarizeInput(arguments_.input);
  if (input_.lines == 0)
    throw BadInput("{}: holds no lines; expected at least one request",
                   InputName(arguments_.input));
  PrepareHelper(model);
  CheckLines();
  if (!KeepsJournal()) return CheckWritable(arguments_.output);
  identity_ = IdentityOf({arguments_.command, options_, input_, model, group_size()});
  if (arguments_.restart == Restart::kGoOn && KnowsFormat()) return LookForEarlierRuns();
  CheckWritable(arguments_.output);  // beginning again is left to the one that works
}

// Now, not after hours of work.
void BatchJob::LookForEarlierRuns() {
  const std::string& output = arguments_.output;
  // What this job has begun anew with --restart stands beside what another one has finished.
  const OtherJob other =
      Journal::IsBegun(output, identity_) ? OtherJob::kIgnore : OtherJob::kRefuse;
  set_finished(FinishedBefore(output, identity_, other));
  if (finished()) return;
  { const Journal can_go_on(output, identity_, Restart::kGoOn, input_.lines); }
  set_finished(FinishedBefore(output, identity_, other));  // by another process that it waited for
}

void BatchJob::PrepareHelper(const ModelFiles& model) {
  spec_ = model.spec;
  options_ = arguments_.options;
  if (task() != Task::kScore) hidden_layer_ = HiddenLayerOf(options_.embed, spec_);
  if (task() != Task::kGenerate) return OpenTokenizerIfAny(model);
  tokenizer_ = OpenTokenizer(arguments_.options, model);
  chat_ = FindChatSupport(arguments_.options, model);
  generation_ = model.generation;
  defaults_ = ApplyDefaults(generation_, sampled_vocab(), options_);
}

// Lines of tokens need none.
void BatchJob::OpenTokenizerIfAny(const ModelFiles& model) {
  try {
    tokenizer_ = OpenTokenizer(arguments_.options, model);
  } catch (const Error& error) {
    no_tokenizer_ = error;
  }
}

void BatchJob::CheckLines() const {
  const bool needs_all = IsNpy(Sink());
  if (!needs_all && !no_tokenizer_) return;
  InputLines lines(arguments_.input, &input_);
  for (std::int64_t index = 0; const auto line = lines.Next(); ++index) {
    LineRequest request;
    try {
      if (!line->fits()) throw BadInput("{}", TooLong(*line));
      request = ParseLine(task(), line->text, line->where, index, options_);
    } catch (const Error&) {
      if (needs_all) throw;
      continue;  // it gets an error record
    }
    if (no_tokenizer_ && NeedsTokenizer(request)) throw Error(*no_tokenizer_);
    if (needs_all) lockstep::Prepare(request, tokenizer(), spec_);
  }
}

SinkParts BatchJob::Sink() const {
  return {.output = arguments_.output,
          .identity = identity_,
          .restart = arguments_.restart,
          .records = input_.lines,
          .vector_width = task() == Task::kEmbed ? spec_.d_model : 0};
}

std::optional<std::int64_t> BatchJob::cache_pages() const {
  return AskedPages(arguments_.options.engine);
}

BatchCoordinator BatchJob::OpenHub(const JobContext& place) {
  // What earlier runs have left may take long to read.
  const HeartbeatScope beat(HeartbeatPeriod(place.grid.world().deadline_seconds()), [&place] {
    for (int group = 1; group < place.grid.shape().data; ++group)
      place.messenger->Send(place.grid.RankAt({.data = group}), Pack(Assignment{}));
  });
  // Twice what runs together: so the scheduler always has someone to admit.
  BatchCoordinator::Parts parts{.input = arguments_.input,
                                .total = input_.lines,
                                .capacity = 2 * arguments_.options.engine.max_sequences,
                                .sink = OpenRecords(),
                                .progress = ProgressBeside(arguments_.output, arguments_.verbosity),
                                .counted = &input_,
                                .unit = unit()};
  BatchCoordinator::Groups groups;
  if (place.messenger != nullptr) {
    groups = {.leaders = {}, .world = &place.grid.world(), .messenger = place.messenger};
    for (int group = 0; group < place.grid.shape().data; ++group)
      groups.leaders.push_back(place.grid.RankAt({.data = group}));
  }
  return BatchCoordinator(std::move(parts), std::move(groups));
}

void BatchJob::Work(EngineLoop& loop, WorkQueue& queue) const {
  BatchWorker({.loop = loop,
               .queue = queue,
               .rules = {.task = task(),
                         .defaults = options_,
                         .tokenizer = tokenizer(),
                         .spec = spec_,
                         .chat = chat_}})
      .Run();
}

ExitCode BatchJob::Help(const JobContext& place) const {
  RemoteWorkQueue queue(place.grid.world(), *place.messenger);
  const HeartbeatScope beat(HeartbeatPeriod(place.grid.world().deadline_seconds()),
                            [&queue] { queue.SendHeartbeat(); });
  Work(place.loop, queue);
  queue.Leave();
  return ExitCode::kOk;
}

ExitCode BatchJob::Run(const JobContext& place) {
  if (place.grid.place().data > 0) return Help(place);
  BatchCoordinator coordinator = OpenHub(place);
  const HeartbeatScope beat(HeartbeatPeriod(place.grid.world().deadline_seconds()),
                            [&coordinator] { coordinator.SendHeartbeat(); });
  ReportStart(coordinator, place.grid.world().size());
  Work(place.loop, coordinator);
  coordinator.Leave();
  if (coordinator.all_done()) coordinator.Commit();
  return ReportEnd(coordinator);
}

void BatchJob::ReportStart(const BatchCoordinator& coordinator, int ranks) const {
  if (arguments_.verbosity == Verbosity::kQuiet) return;
  const std::int64_t done = coordinator.progress().done;
  SetLogRank(0, 1);  // said for all ranks
  if (task() == Task::kGenerate) ReportDefaults(generation_, defaults_);
  if (done > 0)
    LogInfo("{}: {} of {} {} are done; going on", arguments_.output, done, input_.lines, unit());
  SetLogRank(0, ranks);
}

ExitCode BatchJob::ReportEnd(const BatchCoordinator& coordinator) const {
  const ProgressState state = coordinator.progress();
  SetLogRank(0, 1);  // said for all ranks
  if (!coordinator.all_done()) {
    if (state.done > 0 && KeepsJournal() && arguments_.verbosity != Verbosity::kQuiet)
      LogInfo("{} of {} {} are done and kept; the same command goes on from there", state.done,
              state.total, unit());
    return ExitCode::kInterrupted;
  }
  LogInfo("{}", TotalsText(state, coordinator.errors()));
  if (coordinator.errors() == 0) return ExitCode::kOk;
  ReportErrors({.lines = state.total, .errors = coordinator.errors()}, coordinator.first_error());
  return ExitCode::kBadInput;
}

// What that earlier run's exit code was.
ExitCode BatchJob::ReportFinished() const {
  SetLogRank(0, 1);  // said for all ranks
  LogInfo("{}: complete, nothing to do", arguments_.output);
  if (finished()->errors == 0) return ExitCode::kOk;
  ReportErrors(*finished(), "");
  return ExitCode::kBadInput;
}

void BatchJob::ReportErrors(const FinishedJob& job, const std::string& first) const {
  LogError("{} of {} lines could not be used: see \"error\" in their records{}", job.errors,
           job.lines, first.empty() ? "" : fmt::format("; the first: {}", first));
}

}  // namespace lockstep
