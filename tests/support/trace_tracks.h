#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json.h"

namespace lockstep {

// A trace in Chrome's JSON format as a viewer builds it, and what is wrong with it.
struct TraceSlice {
  std::string name;
  double begin = 0.0;  // microseconds
  double end = 0.0;
  int depth = 0;    // 0: within nothing
  int parent = -1;  // the slice around it, of the same track
  Json args;
};

struct TraceTracks {
  std::map<std::string, std::vector<TraceSlice>> ranks;     // by the process's name
  std::map<std::string, std::vector<TraceSlice>> requests;  // by id
  Json about;
  // What does not nest, ends without a beginning or goes backwards in time.
  std::vector<std::string> faults;
};

TraceTracks TracksOf(const std::string& text);

// The share of the steps' time that is a phase's alone, without what lies within it.
double ShareOfSteps(const std::vector<TraceSlice>& track, const std::string& phase);

}  // namespace lockstep
