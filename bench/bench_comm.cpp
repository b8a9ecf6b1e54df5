#include "bench/bench_comm.h"

#include <algorithm>
#include <vector>

#include "bench/bench_report.h"
#include "bench/phase_progress.h"
#include "bench/result_about.h"
#include "comm/mpi/mpi_probe.h"
#include "core/activity.h"
#include "core/message_bytes.h"
#include "core/timing/phases.h"
#include "runtime/load_model.h"
#include "runtime/placement/placement.h"
#include "runtime/standard_streams.h"
#include "runtime/world/world.h"

namespace lockstep {
namespace {

// What all sizes may take together, however slow the links are and however many ranks share a core.
constexpr double kMostSeconds = 40.0;

// What a rank reads of its weights between two sums: two ranks more than their cache keeps.
constexpr std::size_t kWeightsBetween = std::size_t{32} << 20;

// All-reduces between two looks at the clock: about 32 MiB in all, few of large ones and no
// endless series of small ones.
std::int64_t RepeatsOf(std::int64_t bytes) {
  return std::clamp<std::int64_t>((std::int64_t{32} << 20) / bytes, 4, 200);
}

// How often a size is added in the next round: as often as fits into the time that is left for it,
// to go by the round before. As rank 0 finds it, since all have to do as much.
class Pace {
 public:
  Pace(std::int64_t bytes, std::int64_t rounds, double seconds)
      : wanted_(RepeatsOf(bytes)), rounds_left_(rounds), end_(Now() + seconds) {}

  std::int64_t NextRepeats(Communicator& comm) {
    const double now = Now();
    std::int64_t repeats = kFirst;
    if (last_repeats_ > 0) {
      const double one = std::max((now - last_begin_) / static_cast<double>(last_repeats_), 1e-9);
      const double fitting =
          (end_ - now) / static_cast<double>(std::max<std::int64_t>(rounds_left_, 1)) / one;
      repeats = static_cast<std::int64_t>(std::clamp(fitting, 1.0, static_cast<double>(wanted_)));
      --rounds_left_;
    }
    MessageWriter writer;
    writer.Put(repeats);
    ControlPlane::Bytes message = writer.Take();
    comm.Broadcast(message);
    last_begin_ = Now();
    return last_repeats_ = MessageReader(message).Get<std::int64_t>();
  }

 private:
  static constexpr std::int64_t kFirst = 2;
  static double Now() { return 1e-9 * static_cast<double>(SteadyNanoseconds()); }

  std::int64_t wanted_;
  std::int64_t rounds_left_;
  double end_;
  double last_begin_ = 0;
  std::int64_t last_repeats_ = 0;
};

double MicrosecondsOf(Communicator& comm, std::int64_t repeats, const TensorView& values) {
  comm.AllReduceSum(values, Stream{});  // brings the ranks together, and their data into the caches
  comm.Barrier();
  const std::int64_t start = SteadyNanoseconds();
  for (std::int64_t i = 0; i < repeats; ++i) comm.AllReduceSum(values, Stream{});
  return 1e-3 * static_cast<double>(SteadyNanoseconds() - start) / static_cast<double>(repeats);
}

// The times of sums, without those of waiting for a rank that has not come yet.
class SumTimes final : public PhaseObserver {
 public:
  void OnStep(const StepTimes& step) override {
    microseconds_.push_back(
        1e-3 * static_cast<double>(step.phases[static_cast<std::size_t>(Phase::kAllReduce)]));
  }
  const std::vector<double>& microseconds() const { return microseconds_; }

 private:
  std::vector<double> microseconds_;
};

// As a step has them: a product has just written the values, and read weights before that. The
// median, since a rank that loses its core in the middle of one would be most of a mean.
double MicrosecondsInStep(Communicator& comm, std::int64_t repeats, const TensorView& values,
                          std::vector<float>& weights) {
  SumTimes times;
  const PhaseWatch watch(times);
  for (std::int64_t i = 0; i < repeats; ++i) {
    BeginStep();
    NameStep(i, 1);
    for (float& weight : weights) weight += 1.0f;
    std::fill_n(values.data<float>(), values.elements(), 0.0f);
    {
      const ScopedPhase sum(Phase::kAllReduce);
      comm.AllReduceSum(values, Stream{});
    }
    EndStep(NextStep::kLater);
  }
  return SpreadOf(times.microseconds()).median;
}

void MeasureCase(Communicator& comm, std::int64_t rounds, std::int64_t sizes,
                 ProgressLine& progress, CommCase& one) {
  const std::int64_t count = one.bytes / static_cast<std::int64_t>(sizeof(float));
  const Tensor ours = comm.AllocateReducible({count});
  // Zeros, so that the sums of sums stay what they are.
  std::fill_n(ours.view().data<float>(), count, 0.0f);
  std::vector<float> weights(kWeightsBetween / sizeof(float));
  Pace pace(one.bytes, rounds, kMostSeconds / static_cast<double>(sizes));
  for (std::int64_t round = 0; round <= rounds; ++round) {
    progress.Show([&] {
      return fmt::format("{}: messages of {} bytes",
                         round == 0 ? "warming up" : fmt::format("round {} of {}", round, rounds),
                         one.bytes);
    });
    const std::int64_t repeats = pace.NextRepeats(comm);
    const double our_us = MicrosecondsOf(comm, repeats, ours.view());
    const double mpi_us =
        1e6 * TimeMpiAllReduce(comm, static_cast<std::size_t>(count), static_cast<int>(repeats));
    const double step_us = MicrosecondsInStep(comm, repeats, ours.view(), weights);
    if (round == 0) continue;
    one.lockstep_us.push_back(our_us);
    one.mpi_us.push_back(mpi_us);
    one.in_step_us.push_back(step_us);
  }
}

void CheckRanks(int ranks) {
  if (ranks < 2) throw BadInput("bench comm: needs two or more ranks, found 1; give it --tp 2");
}

// Whether every rank does: one host may be crowded where another is not.
bool AllSpin(Communicator& comm, ControlPlane::Waiting mine) {
  const std::byte spins{mine == ControlPlane::Waiting::kSpins};
  const auto all = comm.AllGather({&spins, 1});
  return std::ranges::all_of(all, [](const auto& one) { return one.at(0) != std::byte{0}; });
}

ExitCode Measure(const Arguments& arguments, std::span<const std::string> given,
                 Communicator& comm) {
  Agree(comm, "checking the ranks", [&] { CheckRanks(comm.size()); });
  // As those of a model are.
  const ParallelOptions& parallel = arguments.options.parallel;
  const Placement placement = PlaceRank(comm, {.threads = parallel.threads, .bind = parallel.bind});
  BindWhereAllowed(placement);
  const Activity doing("measuring");
  ProgressLine progress(ProgressOfPhases(comm.rank(), arguments.verbosity));
  CommReport report{.ranks = comm.size(), .spins = AllSpin(comm, placement.waiting), .cases = {}};
  const auto sizes = static_cast<std::int64_t>(arguments.bench.message_bytes.size());
  for (const std::int64_t bytes : arguments.bench.message_bytes) {
    CommCase& one = report.cases.emplace_back();
    one.bytes = bytes / 4 * 4;
    MeasureCase(comm, arguments.bench.rounds, sizes, progress, one);
  }
  progress.Clear();
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
