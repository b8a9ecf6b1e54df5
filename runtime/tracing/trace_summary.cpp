#include "runtime/tracing/trace_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/files/file.h"

namespace lockstep {
namespace {

constexpr int kEventDepth = 2;  // of the objects in "traceEvents"

std::optional<Phase> PhaseOf(std::string_view name) {
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    if (Name(static_cast<Phase>(i)) == name) return static_cast<Phase>(i);
  return std::nullopt;
}

// Takes the events one by one, in the order in which they stand.
class TraceReader {
 public:
  explicit TraceReader(std::string_view file) : file_(file) {}

  TraceSummary Read(std::string_view text) {
    const Json::parser_callback_t take = [this](int depth, Json::parse_event_t event, Json& value) {
      if (depth != kEventDepth || event != Json::parse_event_t::object_end || !value.contains("ph"))
        return true;
      Take(value);
      return false;  // it is not kept
    };
    try {
      summary_.about = Json::parse(text, take).at("otherData");
    } catch (const Json::parse_error& error) {
      throw NoTrace(fmt::format("no JSON at byte {}", error.byte));
    } catch (const Json::exception&) {
      throw NoTrace("\"otherData\" is missing");
    }
    if (!summary_.about.is_object() || !FindString(summary_.about, "program", file_))
      throw NoTrace("nobody is named who has written it");
    for (auto& [process, thread] : threads_)
      if (thread.times.steps > 0) summary_.ranks.push_back(std::move(thread.times));
    return std::move(summary_);
  }

 private:
  struct Open {
    std::string name;
    double begin = 0.0;
  };
  // A rank's process and its one thread.
  struct Thread {
    RankTimes times;
    std::vector<Open> open;  // outermost first
    double since = 0.0;      // the last event, in seconds
  };

  Error NoTrace(std::string_view why) const {
    return BadInput("{}: is no trace of lockstep's: {}; expected a file that --trace has written",
                    file_, why);
  }

  template <typename Value>
  Value Known(const std::optional<Value>& value, std::string_view key) const {
    if (!value) throw NoTrace(fmt::format("an event has no \"{}\"", key));
    return *value;
  }
  std::int64_t Int(const Json& object, std::string_view key) const {
    return Known(FindInt(object, key, file_), key);
  }
  std::string Text(const Json& object, std::string_view key) const {
    return Known(FindString(object, key, file_), key);
  }
  Json Object(const Json& object, std::string_view key) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_object())
      throw NoTrace(fmt::format("an event has no object \"{}\"", key));
    return *found;
  }

  void Take(const Json& event) {
    const std::string kind = Text(event, "ph");
    const std::int64_t process = Int(event, "pid");
    if (kind == "M") {
      if (Text(event, "name") == "process_name")
        threads_[process].times.name = Text(Object(event, "args"), "name");
      return;
    }
    const double time = 1e-6 * Known(FindNumber(event, "ts", file_), "ts");
    if (kind == "B") return Begin(event, time, threads_[process]);
    if (kind == "E") return End(time, threads_[process]);
    if (kind != "b" && kind != "e") throw NoTrace(fmt::format("an event of kind {}", kind));
    TakeRequest(event, kind == "b", time);
  }

  void Begin(const Json& event, double time, Thread& thread) {
    Settle(time, thread);
    thread.open.push_back({Text(event, "name"), time});
    if (thread.open.back().name != "step") return;
    const std::int64_t tokens = Int(Object(event, "args"), "tokens");
    constexpr std::int64_t kMostTokens = 1 << 30;
    if (tokens < 0 || tokens > kMostTokens)
      throw NoTrace(fmt::format("a step of {} tokens", tokens));
    ++thread.times.steps;
    thread.times.tokens += tokens;
  }

  void End(double time, Thread& thread) {
    if (thread.open.empty()) throw NoTrace("something ends that has not begun");
    Settle(time, thread);
    if (thread.open.back().name == "step")
      thread.times.step_seconds += time - thread.open.back().begin;
    thread.open.pop_back();
  }

  // The time since the last event is that of the innermost phase of a step.
  static void Settle(double time, Thread& thread) {
    const double passed = time - std::exchange(thread.since, time);
    if (thread.open.empty() || thread.open.front().name != "step") return;
    const Phase phase = PhaseOf(thread.open.back().name).value_or(Phase::kOther);
    thread.times.seconds[static_cast<std::size_t>(phase)] += passed;
  }

  void TakeRequest(const Json& event, bool begins, double time) {
    const std::string name = Text(event, "name");
    const std::pair key(Text(Object(event, "id2"), "local"), name);
    if (begins) {
      parts_[key] = time;
      if (name.starts_with("request ")) ++summary_.requests;
      return;
    }
    const auto node = parts_.extract(key);
    if (node.empty()) throw NoTrace("a request ends that has not begun");
    const double lasted = time - node.mapped();
    if (name == "queued") summary_.queued.push_back(lasted);
    if (name == "prompt") summary_.prompt.push_back(lasted);
    if (name == "decoding") summary_.decoding.push_back(lasted);
  }

  const std::string_view file_;
  std::map<std::int64_t, Thread> threads_;                       // by process
  std::map<std::pair<std::string, std::string>, double> parts_;  // of requests, since when
  TraceSummary summary_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double ShareOf(const RankTimes& rank, std::size_t phase) {
  return rank.step_seconds > 0 ? 100.0 * rank.seconds[phase] / rank.step_seconds : 0.0;
}

double NumberIn(const Json& about, const char* name) {
  return FindNumber(about, name, "otherData").value_or(0.0);
}

bool ComputesOnDevice(const Json& about) {
  return FindString(about, "computes_on", "otherData") == "device";
}

void AddShares(const TraceSummary& summary, std::string& text) {
  const auto to = std::back_inserter(text);
  fmt::format_to(to, "\n{:<24}{:>9}{:>9}{:>9}\n", "share of the steps' time", "mean", "least",
                 "most");
  for (std::size_t phase = 0; phase < kPhaseCount; ++phase) {
    std::vector<double> shares;
    for (const RankTimes& rank : summary.ranks) shares.push_back(ShareOf(rank, phase));
    double sum = 0.0;
    for (const double share : shares) sum += share;
    const auto [least, most] = std::ranges::minmax(shares);
    fmt::format_to(to, "{:<24}{:>7.1f} %{:>7.1f} %{:>7.1f} %\n", Name(static_cast<Phase>(phase)),
                   sum / static_cast<double>(shares.size()), least, most);
  }
}

}  // namespace

TraceSummary SummaryOfTrace(std::string_view text, std::string_view file) {
  return TraceReader(file).Read(text);
}

TraceSummary ReadTrace(const std::string& file) { return SummaryOfTrace(ReadFile(file), file); }

std::string TraceSummaryText(const TraceSummary& summary, std::string_view file) {
  const Json& about = summary.about;
  std::string text;
  const auto to = std::back_inserter(text);
  const auto count = [](std::int64_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
  };
  const std::int64_t steps = summary.ranks.empty() ? 0 : summary.ranks.front().steps;
  const std::int64_t tokens = summary.ranks.empty() ? 0 : summary.ranks.front().tokens;
  fmt::format_to(to, "{}: {} of {} on {}, {:.3f} s\n", file, count(steps, "step"),
                 count(tokens, "token"), count(std::ssize(summary.ranks), "rank"),
                 NumberIn(about, "seconds"));
  if (const double bound = NumberIn(about, "clock_bound_us"); bound > 0)
    fmt::format_to(to, "the hosts' clocks agree within {:.1f} us\n", bound);
  if (const double dropped = NumberIn(about, "dropped_seconds"); dropped > 0)
    fmt::format_to(to, "there was no room for the first {:.2f} s\n", dropped);
  if (ComputesOnDevice(about))
    text +=
        "the ranks compute on devices: products, attention and sums have no spans, and sampling\n"
        "includes waiting for the device\n";
  if (!summary.ranks.empty()) AddShares(summary, text);
  if (summary.requests > 0)
    fmt::format_to(to, "\n{}; medians: queued {:.1f} ms, prompt {:.1f} ms, decoding {:.1f} ms\n",
                   count(summary.requests, "request"), 1e3 * Median(summary.queued),
                   1e3 * Median(summary.prompt), 1e3 * Median(summary.decoding));
  return text;
}

std::string TraceSummaryJson(const TraceSummary& summary) {
  Json ranks = Json::array();
  for (const RankTimes& rank : summary.ranks) {
    Json seconds = Json::object();
    for (std::size_t phase = 0; phase < kPhaseCount; ++phase)
      seconds[std::string(Name(static_cast<Phase>(phase)))] = rank.seconds[phase];
    ranks.push_back({{"name", rank.name},
                     {"steps", rank.steps},
                     {"tokens", rank.tokens},
                     {"step_seconds", rank.step_seconds},
                     {"seconds", seconds}});
  }
  const Json requests{{"count", summary.requests},
                      {"median_queued_s", Median(summary.queued)},
                      {"median_prompt_s", Median(summary.prompt)},
                      {"median_decoding_s", Median(summary.decoding)}};
  return DumpJson({{"about", summary.about}, {"ranks", ranks}, {"requests", requests}}) + "\n";
}

}  // namespace lockstep
