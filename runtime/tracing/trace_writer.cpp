#include "runtime/tracing/trace_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "core/json.h"
#include "core/version.h"
#include "runtime/tracing/request_lives.h"

namespace lockstep {
namespace {

constexpr std::size_t kTracePieceBytes = 1 << 20;

// Viewers have another use for process 0. The process's one thread has the same number.
std::size_t ProcessOf(std::size_t rank) { return rank + 1; }

// The phases of a thread and its steps: one lies within another, or beside it.
struct Interval {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  // Of equal ones the greater is outside: phases are told of from the inside to the outside, and a
  // step holds all of them.
  std::size_t depth = 0;
  std::string_view name;
  const StepTimes* step = nullptr;  // null: a phase
};

bool BeginsBefore(const Interval& a, const Interval& b) {
  if (a.begin != b.begin) return a.begin < b.begin;
  if (a.end != b.end) return a.end > b.end;
  return a.depth > b.depth;
}

void ToRank0(RankTrace& rank) {
  const auto align = [&](std::int64_t& time) { time = rank.clock.ToRank0(time); };
  RankRecording& recording = rank.recording;
  for (PhaseSpan& span : recording.spans) {
    align(span.begin);
    align(span.end);
  }
  for (StepTimes& step : recording.steps) {
    align(step.begin);
    align(step.end);
  }
  for (RequestTime& moment : recording.requests) align(moment.at);
  align(recording.begun);
  align(recording.ended);
  align(recording.complete_from);
}

// Before that weights are loaded.
std::int64_t BeginOfWork(const RankRecording& recording) {
  std::int64_t begin = recording.ended;
  if (!recording.steps.empty()) begin = recording.steps.front().begin;
  for (const RequestTime& moment : recording.requests) begin = std::min(begin, moment.at);
  return begin;
}

class TraceText {
 public:
  TraceText(std::vector<RankTrace> ranks, const std::function<void(std::string_view)>& write)
      : ranks_(std::move(ranks)), write_(write) {
    for (RankTrace& rank : ranks_) ToRank0(rank);
    const RankRecording& first = ranks_.front().recording;
    begun_ = zero_ = first.ended;
    for (const RankTrace& rank : ranks_) {
      begun_ = std::min(begun_, rank.recording.begun);
      end_ = std::max(end_, rank.recording.ended);
      zero_ = std::min(zero_, BeginOfWork(rank.recording));
    }
    // Nothing is missing on any rank.
    for (const RankTrace& rank : ranks_)
      if (rank.recording.dropped > 0) {
        has_dropped_ = true;
        zero_ = std::max(zero_, rank.recording.complete_from);
      }
  }

  TraceExtent Write() {
    Add("{{\"displayTimeUnit\":\"ns\",\"otherData\":{},\n\"traceEvents\":[\n", DumpJson(About()));
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) AddRank(rank);
    const auto have_requests = std::ranges::count_if(
        ranks_, [](const RankTrace& rank) { return !rank.recording.requests.empty(); });
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank)
      if (!ranks_[rank].recording.requests.empty()) AddRequests(rank, have_requests > 1);
    // No comma behind the last event.
    Add("{{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{{\"name\":\"steps\"}"
        "}}}\n"
        "]}}\n");
    write_(text_);
    return extent_;
  }

 private:
  template <typename... Values>
  void Add(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    if (text_.size() < kTracePieceBytes) return;
    write_(text_);
    text_.clear();
  }

  // Microseconds, to the nanosecond.
  std::string Time(std::int64_t time) const { return Micros(time - zero_); }
  static std::string Micros(std::int64_t nanoseconds) {
    return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
  }

  Json About() {
    extent_.seconds = 1e-9 * static_cast<double>(end_ - zero_);
    if (has_dropped_) extent_.dropped_seconds = 1e-9 * static_cast<double>(zero_ - begun_);
    Json clocks = Json::array();
    std::int64_t bound = 0;
    bool on_device = false;
    for (const RankTrace& rank : ranks_) {
      clocks.push_back({{"rank", clocks.size()},
                        {"host", rank.host},
                        {"bound_us", 1e-3 * static_cast<double>(rank.clock.bound())}});
      bound = std::max(bound, rank.clock.bound());
      on_device = on_device || rank.recording.computes_on_device;
    }
    return {{"program", fmt::format("lockstep {}", Version())},
            {"ranks", ranks_.size()},
            {"seconds", extent_.seconds},
            {"dropped_seconds", extent_.dropped_seconds},
            {"clock_bound_us", 1e-3 * static_cast<double>(bound)},
            {"clocks", clocks},
            {"computes_on", on_device ? "device" : "host"}};
  }

  void AddProcess(std::size_t process, const std::string& name, std::size_t place) {
    Add("{{\"ph\":\"M\",\"pid\":{0},\"tid\":{0},\"name\":\"process_name\",\"args\":{{\"name\":{1}}}"
        "}},\n",
        process, DumpJson(name));
    Add("{{\"ph\":\"M\",\"pid\":{0},\"tid\":{0},\"name\":\"process_sort_index\",\"args\":"
        "{{\"sort_index\":{1}}}}},\n",
        process, place);
  }

  std::vector<Interval> IntervalsOf(const RankRecording& recording) const {
    std::vector<Interval> intervals;
    intervals.reserve(recording.spans.size() + recording.steps.size());
    for (const PhaseSpan& span : recording.spans)
      if (span.begin >= zero_)
        intervals.push_back({span.begin, span.end, intervals.size(), Name(span.phase)});
    for (const StepTimes& step : recording.steps)
      if (step.begin >= zero_)
        intervals.push_back({step.begin, step.end, intervals.size(), "step", &step});
    std::ranges::sort(intervals, BeginsBefore);
    return intervals;
  }

  void AddRank(std::size_t rank) {
    const std::size_t process = ProcessOf(rank);
    AddProcess(process, fmt::format("rank {} on {}", rank, ranks_[rank].host), process);
    Add("{{\"ph\":\"M\",\"pid\":{0},\"tid\":{0},\"name\":\"thread_name\",\"args\":{{\"name\":"
        "\"steps\"}}}},\n",
        process);
    std::vector<std::int64_t> open;  // ends of what has begun, outermost first
    const auto close_until = [&](std::int64_t time) {
      for (; !open.empty() && open.back() <= time; open.pop_back())
        Add("{{\"ph\":\"E\",\"pid\":{0},\"tid\":{0},\"ts\":{1}}},\n", process, Time(open.back()));
    };
    for (const Interval& one : IntervalsOf(ranks_[rank].recording)) {
      close_until(one.begin);
      Add("{{\"ph\":\"B\",\"pid\":{0},\"tid\":{0},\"ts\":{1},\"name\":\"{2}\"", process,
          Time(one.begin), one.name);
      if (one.step != nullptr) AddStep(rank, *one.step);
      Add("}},\n");
      open.push_back(one.end);
    }
    close_until(end_);
  }

  void AddStep(std::size_t rank, const StepTimes& step) {
    if (rank == 0) ++extent_.steps;
    Add(",\"args\":{{\"step\":{},\"tokens\":{}", step.step, step.tokens);
    for (std::size_t i = 0; i < kPhaseCount; ++i)
      if (step.phases[i] > 0)
        Add(",\"{} us\":{}", Name(static_cast<Phase>(i)), Micros(step.phases[i]));
    Add("}}");
  }

  // Each request is a track of its own, since they lie beside each other: what has one id of the
  // process.
  void AddRequests(std::size_t rank, bool others_have_some) {
    const std::size_t process = ProcessOf(ranks_.size() + rank);
    AddProcess(process, others_have_some ? fmt::format("requests of rank {}", rank) : "requests",
               0);
    for (const RequestLife& life : LivesOf(ranks_[rank].recording.requests, zero_, end_)) {
      const auto add = [&](char kind, std::string_view name, std::int64_t time) {
        Add("{{\"ph\":\"{0}\",\"cat\":\"request\",\"id2\":{{\"local\":\"0x{1:x}\"}},\"pid\":{2},"
            "\"tid\":{2},\"ts\":{3},\"name\":\"{4}\"",
            kind, tracks_, process, Time(time), name);
      };
      ++tracks_;
      const std::string name = fmt::format("request {}", life.request);
      add('b', name, life.begin());
      Add(",\"args\":{{\"prompt_tokens\":{},\"new_tokens\":{}}}}},\n", life.prompt_tokens,
          life.new_tokens);
      for (const RequestLife::Part& part : life.parts) {
        add('b', part.name, part.begin);
        Add("}},\n");
        add('e', part.name, part.end);
        Add("}},\n");
      }
      add('e', name, life.end());
      Add("}},\n");
    }
  }

  std::vector<RankTrace> ranks_;
  const std::function<void(std::string_view)>& write_;
  std::int64_t begun_ = 0;  // the recording
  std::int64_t zero_ = 0;   // the trace
  std::int64_t end_ = 0;
  bool has_dropped_ = false;
  std::int64_t tracks_ = 0;
  TraceExtent extent_;
  std::string text_;
};

}  // namespace

TraceExtent WriteTrace(std::vector<RankTrace> ranks,
                       const std::function<void(std::string_view)>& write) {
  return TraceText(std::move(ranks), write).Write();
}

}  // namespace lockstep
