#include "bench/bench_comm.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "bench/bench_report.h"
#include "bench/result_about.h"
#include "comm/mpi/mpi_probe.h"
#include "core/activity.h"
#include "runtime/load_model.h"
#include "runtime/standard_streams.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// All-reduces between two looks at the clock: about 32 MiB in all, few of large ones and no
// endless series of small ones.
std::int64_t RepeatsOf(std::int64_t bytes) {
  return std::clamp<std::int64_t>((std::int64_t{32} << 20) / bytes, 4, 200);
}

double MicrosecondsOf(Communicator& comm, std::int64_t repeats, const std::function<void()>& work) {
  work();  // brings the ranks together, and their buffers into the caches
  comm.Barrier();
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < repeats; ++i) work();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return took.count() / static_cast<double>(repeats);
}

void MeasureCase(Communicator& comm, std::int64_t rounds, CommCase& one) {
  const std::int64_t count = one.bytes / static_cast<std::int64_t>(sizeof(float));
  const Tensor ours = comm.AllocateReducible({count});
  // Zeros, so that the sums of sums stay what they are.
  std::fill_n(ours.view().data<float>(), count, 0.0f);
  const std::int64_t repeats = RepeatsOf(one.bytes);
  for (std::int64_t round = 0; round <= rounds; ++round) {
    const double our_us =
        MicrosecondsOf(comm, repeats, [&] { comm.AllReduceSum(ours.view(), Stream{}); });
    const double mpi_us =
        1e6 * TimeMpiAllReduce(comm, static_cast<std::size_t>(count), static_cast<int>(repeats));
    if (round == 0) continue;
    one.lockstep_us.push_back(our_us);
    one.mpi_us.push_back(mpi_us);
  }
}

void CheckRanks(int ranks) {
  if (ranks < 2)
    throw BadInput("bench comm: a world of one rank reduces nothing; give it more, with --tp 2");
}

ExitCode Measure(const Arguments& arguments, std::span<const std::string> given,
                 Communicator& comm) {
  Agree(comm, "checking the ranks", [&] { CheckRanks(comm.size()); });
  const Activity doing("measuring");
  CommReport report{.ranks = comm.size(), .cases = {}};
  for (const std::int64_t bytes : arguments.bench.message_bytes) {
    CommCase& one = report.cases.emplace_back();
    one.bytes = bytes / 4 * 4;
    MeasureCase(comm, arguments.bench.rounds, one);
  }
  report.about = AboutResult(given, "cpu");
  const bool json = arguments.report_format == ReportFormat::kJson;
  if (comm.rank() == 0) WriteStandardOutput(json ? CommJson(report) : CommText(report));
  return ExitCode::kOk;
}

}  // namespace

int RunCommBench(const Arguments& arguments, std::span<const std::string> arguments_given) {
  RankProgram program;
  program.check = CheckRanks;
  program.run = [&](Communicator& comm) { return Measure(arguments, arguments_given, comm); };
  return RunOnRanks(arguments, arguments_given, program);
}

}  // namespace lockstep
