#include "runtime/tracing/traced_run.h"

#include <fmt/format.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/activity.h"
#include "core/files/file.h"
#include "core/files/output_target.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "core/message_bytes.h"
#include "runtime/tracing/clock_offset.h"
#include "runtime/tracing/phase_recorder.h"
#include "runtime/tracing/trace_writer.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

using ClockOffsets = std::vector<ClockOffset>;

std::vector<RankTrace> TracesOf(const ControlPlane& comm,
                                const std::vector<ControlPlane::Bytes>& recordings,
                                const ClockOffsets& before, const ClockOffsets& after) {
  std::vector<RankTrace> traces;
  for (std::size_t rank = 0; rank < recordings.size(); ++rank)
    traces.push_back({.host = comm.host(static_cast<int>(rank)),
                      .recording = RecordingFrom(recordings[rank]),
                      .clock = {.before = before[rank], .after = after[rank]}});
  return traces;
}

void ReportTrace(const std::string& file, const TraceExtent& extent, int ranks) {
  SetLogRank(0, 1);  // said for all ranks
  LogInfo("{}: a trace of {} steps on {} rank{}, {:.2f} s", file, extent.steps, ranks,
          ranks == 1 ? "" : "s", extent.seconds);
  if (extent.dropped_seconds > 0)
    LogWarning("{}: there was no room for the first {:.2f} s; the trace begins behind them", file,
               extent.dropped_seconds);
  SetLogRank(0, ranks);
}

void WriteTraceFile(const std::string& file, std::vector<RankTrace> traces) {
  const auto ranks = static_cast<int>(traces.size());
  AtomicFile output(file);
  const TraceExtent extent = WriteTrace(std::move(traces), [&](std::string_view text) {
    output.Write(text);
    Heartbeat();
  });
  output.Commit();
  ReportTrace(file, extent, ranks);
}

// Rank 0 writes, and the others hear of it: all leave with the same code. A signal to end is no
// reason for another one, since the work has heard of it.
void TellHowWritingWent(ControlPlane& comm, const std::optional<Error>& failure) {
  MessageWriter writer;
  writer.Put(failure ? failure->code() : ExitCode::kOk);
  writer.PutText(failure ? failure->what() : "");
  ControlPlane::Bytes bytes = writer.Take();
  {
    const DeadlineScope patient(comm, comm.deadline_seconds() * kAgreePatience);
    comm.Broadcast(bytes);
  }
  MessageReader reader(bytes);
  const auto code = reader.Get<ExitCode>();
  if (code != ExitCode::kOk) throw AgreedError(code, reader.GetText());
}

}  // namespace

void CheckTraceFile(const std::string& file) {
  if (!IsAtomicTarget(file))
    throw BadInput("--trace {}: is no file; a trace is written at the end, as a whole", file);
  CheckWritable(file);
}

std::string TraceFileOf(const std::string& file, std::string_view part) {
  const std::filesystem::path path(file);
  const std::filesystem::path name =
      fmt::format("{}.{}{}", path.stem().string(), part, path.extension().string());
  return (path.parent_path() / name).string();
}

ExitCode RunTraced(ControlPlane& comm, const std::string& file,
                   const std::function<ExitCode()>& work) {
  Agree(comm, "opening the trace", [&] {
    if (comm.rank() == 0) CheckTraceFile(file);
  });
  const ClockOffsets before = CompareClocks(comm, SteadyNanoseconds);
  PhaseRecorder recorder(LimitsOfRank(comm.size()));
  auto code = ExitCode::kOk;
  {
    const PhaseWatch watch(recorder);
    code = work();
  }
  const Activity doing("writing the trace");
  const std::vector<ControlPlane::Bytes> recordings = comm.Gather(BytesOf(recorder.recording()));
  const ClockOffsets after = CompareClocks(comm, SteadyNanoseconds);
  std::optional<Error> failure;
  if (comm.rank() == 0) {
    try {
      WriteTraceFile(file, TracesOf(comm, recordings, before, after));
    } catch (const CollectiveError&) {
      throw;
    } catch (const Error& error) {
      failure = error;
    }
  }
  TellHowWritingWent(comm, failure);
  return code;
}

}  // namespace lockstep
