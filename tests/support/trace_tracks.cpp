#include "tests/support/trace_tracks.h"

#include <fmt/format.h>

#include <utility>

namespace lockstep {
namespace {

// Slices that are on their way, of one track.
class Track {
 public:
  explicit Track(std::vector<TraceSlice>& slices) : slices_(slices) {}

  std::string Take(const Json& event, bool begins) {
    const auto time = event.at("ts").get<double>();
    if (time < last_) return fmt::format("{} lies before {}", event.dump(), last_);
    last_ = time;
    if (begins) {
      slices_.push_back({.name = event.at("name").get<std::string>(),
                         .begin = time,
                         .end = -1.0,
                         .depth = static_cast<int>(open_.size()),
                         .parent = open_.empty() ? -1 : static_cast<int>(open_.back()),
                         .args = event.value("args", Json::object())});
      open_.push_back(slices_.size() - 1);
      return "";
    }
    if (open_.empty()) return fmt::format("{} ends nothing", event.dump());
    TraceSlice& slice = slices_[open_.back()];
    open_.pop_back();
    slice.end = time;
    if (event.contains("name") && event["name"] != slice.name)
      return fmt::format("{} ends {}", event.dump(), slice.name);
    return "";
  }

  bool is_open() const { return !open_.empty(); }

 private:
  std::vector<TraceSlice>& slices_;
  std::vector<std::size_t> open_;
  double last_ = -1.0;
};

}  // namespace

TraceTracks TracksOf(const std::string& text) {
  const Json trace = ParseJson(text, "trace");
  TraceTracks tracks{.ranks = {}, .requests = {}, .about = trace.at("otherData"), .faults = {}};
  std::map<int, std::string> names;
  std::map<std::pair<int, int>, Track> threads;
  std::map<std::string, Track> lives;
  for (const Json& event : trace.at("traceEvents")) {
    const auto kind = event.at("ph").get<std::string>();
    const int process = event.at("pid").get<int>();
    std::string fault;
    if (kind == "M") {
      if (event.at("name") == "process_name") names[process] = event["args"].at("name");
    } else if (kind == "B" || kind == "E") {
      const int thread = event.at("tid").get<int>();
      Track& track =
          threads.try_emplace({process, thread}, tracks.ranks[names.at(process)]).first->second;
      fault = track.Take(event, kind == "B");
    } else if (kind == "b" || kind == "e") {
      const auto id = event.at("id2").at("local").get<std::string>();
      fault = lives.try_emplace(id, tracks.requests[id]).first->second.Take(event, kind == "b");
    } else {
      fault = "an event of kind " + kind;
    }
    if (!fault.empty()) tracks.faults.push_back(fault);
  }
  for (const auto& [place, track] : threads)
    if (track.is_open()) tracks.faults.push_back(names.at(place.first) + ": a slice does not end");
  for (const auto& [id, track] : lives)
    if (track.is_open()) tracks.faults.push_back("request " + id + " does not end");
  return tracks;
}

double ShareOfSteps(const std::vector<TraceSlice>& track, const std::string& phase) {
  double steps = 0.0;
  double alone = 0.0;
  for (const TraceSlice& slice : track) {
    const double lasted = slice.end - slice.begin;
    if (slice.name == "step") steps += lasted;
    int root = slice.parent;
    while (root >= 0 && track[static_cast<std::size_t>(root)].parent >= 0)
      root = track[static_cast<std::size_t>(root)].parent;
    if (root < 0 || track[static_cast<std::size_t>(root)].name != "step") continue;
    if (slice.name == phase) alone += lasted;
    if (track[static_cast<std::size_t>(slice.parent)].name == phase) alone -= lasted;
  }
  return steps > 0.0 ? alone / steps : 0.0;
}

}  // namespace lockstep
