#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "runtime/options/commands/load_options.h"

namespace lockstep {

enum class Change : std::uint8_t {
  kNone,  // nothing beyond the noise
  kFaster,
  kSlower,
  kUnknown  // one round alone says nothing of the noise
};

// One figure that both results have.
struct Comparison {
  std::string name;
  std::vector<double> before;  // one for each round
  std::vector<double> after;
  double change = 0.0;  // of the medians, 0.1 being 10 % more
  double p = 1.0;       // RankTest()
  Change verdict = Change::kNone;
};

struct CompareReport {
  std::vector<Comparison> figures;
  std::vector<std::string> notes;  // what else differs between the two
};

// Compares the results of two runs of the same benchmark: every object {"median", "min", "max",
// "rounds": [...]} that both have, where its name tells whether more is better. Faster and slower
// is what RankTest() finds with p < 0.05 and whose medians differ by 1 % and more; of two or three
// rounds, which no test can tell apart, those whose ranges lie further from each other than either
// is wide. Throws BadInput for results of two kinds, or without such figures.
CompareReport CompareResults(const Json& before, const Json& after);

// For people, in 80 columns.
std::string CompareText(const CompareReport& report, const CompareOptions& options);

// `lockstep bench compare`. Returns the process's exit code: 5 where something is slower and that
// was to be a failure. Throws BadInput for files that are no results.
int RunCompare(const CompareOptions& options);

}  // namespace lockstep
