#pragma once

#include <cstdint>
#include <vector>

#include "planning/prediction.h"

namespace lockstep {

// Requests that arrive one by one, whatever has become of the earlier ones: a Poisson process.
struct Arrivals {
  std::int64_t requests = 1;
  double per_second = 1.0;  // on average, to all copies together
  std::uint64_t seed = 0;
};

// Of one request, in seconds.
struct SimulatedLatency {
  float first_token = 0.0F;  // from its arrival
  float per_token = 0.0F;    // each further one, on average
  float whole = 0.0F;
};

struct Simulation {
  std::vector<SimulatedLatency> latencies;  // by copy, in the order in which requests ended
  double seconds = 0.0;                     // from the first arrival to the last token
  double busy_seconds = 0.0;                // of the steps of all copies
  std::int64_t steps = 0;
  std::int64_t sequences_in_steps = 0;  // added up over the steps
  std::int64_t preemptions = 0;
};

// Runs the engine's own scheduler of every copy on a clock of predictions: a step takes the time
// that TimeOf() says of what the scheduler has planned. Requests go to the copies in turn; all are
// as long as question.workload says, whose number of texts does not count. Copies are simulated on
// several threads; the result is the same for equal questions. Throws BadInput where the model or
// one text does not fit.
Simulation Simulate(const PlanQuestion& question, const Layout& layout, const Arrivals& arrivals);

// The smallest value that is not below `percent` of them; 0 of none.
double Percentile(std::vector<float> values, double percent);

}  // namespace lockstep
