#include "launcher/commands/batch_job.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/batch_worker.h"
#include "launcher/commands/cache_size.h"
#include "launcher/commands/job_identity.h"
#include "launcher/commands/remote_desk.h"
#include "launcher/commands/stderr_progress.h"
#include "launcher/commands/streams.h"

namespace lockstep {
bool BatchJob::KeepsJournal() const { return AppearsWhole(arguments_.output); }

void BatchJob::Prepare(const ModelFiles& model) {
  RefuseSameFile(arguments_.input, arguments_.output);
  KeepInput(arguments_.input);
  input_ = SummarizeInput(arguments_.input);
  if (input_.lines == 0)
    throw BadInput("{}: holds no lines; expected at least one request",
                   InputName(arguments_.input));
  PrepareHelper(model);
  identity_ = IdentityOf(input_, model, options_);
  // Now, not after hours of work. Beginning again is left to the one that works.
  if (!KeepsJournal()) return CheckWritable(arguments_.output);
  if (arguments_.restart == Restart::kGoOn) Journal(arguments_.output, identity_, Restart::kGoOn);
}

void BatchJob::PrepareHelper(const ModelFiles& model) {
  tokenizer_ = OpenTokenizer(arguments_.options, model);
  spec_ = model.spec;
  options_ = arguments_.options;
  generation_ = model.generation;
  defaults_ = ApplyDefaults(generation_, sampled_vocab(), options_);
}

std::optional<std::int64_t> BatchJob::cache_pages() const {
  return AskedPages(arguments_.options.engine);
}

LineHub BatchJob::OpenHub(const Workplace& place) const {
  // Twice what runs together: so the scheduler always has someone to admit.
  LineHub::Parts parts{.input = arguments_.input,
                       .total = input_.lines,
                       .capacity = 2 * arguments_.options.engine.max_sequences,
                       .sink = OpenSink(arguments_.output, identity_, arguments_.restart),
                       .progress = ProgressOnStderr(arguments_.verbosity),
                       .keep_alive = [&engine = place.engine] { engine.KeepAlive(); }};
  LineHub::Groups groups;
  if (place.mailbox != nullptr) {
    groups = {.leaders = {}, .world = &place.group.world(), .mailbox = place.mailbox};
    for (int group = 0; group < place.group.count(); ++group)
      groups.leaders.push_back(place.group.leader(group));
  }
  return LineHub(std::move(parts), std::move(groups));
}

void BatchJob::Work(Engine& engine, LineDesk& desk) const {
  BatchWorker({engine, *tokenizer_, spec_, options_, desk}).Run();
}

ExitCode BatchJob::Help(const Workplace& place) const {
  RemoteDesk desk(place.group.world(), *place.mailbox);
  Work(place.engine, desk);
  desk.Leave();
  return ExitCode::kOk;
}

ExitCode BatchJob::Run(const Workplace& place) {
  if (place.group.index() > 0) return Help(place);
  LineHub hub = OpenHub(place);
  ReportStart(hub, place.group.world().size());
  Work(place.engine, hub);
  hub.Leave();
  if (hub.all_done()) hub.Commit();
  return ReportEnd(hub);
}

void BatchJob::ReportStart(const LineHub& hub, int ranks) const {
  if (arguments_.verbosity == Verbosity::kQuiet) return;
  const std::int64_t done = hub.progress().done;
  SetLogRank(0, 1);  // said for all ranks
  ReportDefaults(generation_, defaults_);
  if (done > 0)
    LogInfo("{}: {} of {} lines are done; going on", arguments_.output, done, input_.lines);
  SetLogRank(0, ranks);
}

ExitCode BatchJob::ReportEnd(const LineHub& hub) const {
  const ProgressState state = hub.progress();
  SetLogRank(0, 1);  // said for all ranks
  if (!hub.all_done()) {
    if (state.done > 0 && KeepsJournal() && arguments_.verbosity != Verbosity::kQuiet)
      LogInfo("{} of {} lines are done and kept; the same command goes on from there", state.done,
              state.total);
    return ExitCode::kInterrupted;
  }
  if (hub.logged_progress() || ShowsStatistics(arguments_.verbosity))
    LogInfo("{}", ProgressText(state));
  if (hub.errors() == 0) return ExitCode::kOk;
  const std::string first =
      hub.first_error().empty() ? "" : fmt::format("; the first: {}", hub.first_error());
  LogError("{} of {} lines could not be used: see \"error\" in their records{}", hub.errors(),
           state.total, first);
  return ExitCode::kBadInput;
}

}  // namespace lockstep
