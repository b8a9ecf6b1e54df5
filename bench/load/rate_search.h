#pragma once

#include <cstdint>
#include <optional>

namespace lockstep {

// What a trial at one rate has shown.
enum class Trial : std::uint8_t {
  kMet,      // the target was met
  kMissed,   // it was not
  kTooShort  // neither: it was over before it could be seen whether the server keeps up
};

// Looks for the greatest rate at which a target is met: doubles (or halves) until it is enclosed,
// then bisects the logarithm of the rate until the two ends are close. A trial that is too short
// ends it; where no rate has met the target yet, lower ones are tried. Pure: the caller measures.
class RateSearch {
 public:
  // least: no lower rate is tried. tolerance: the ends are close when the upper is at most that
  // much greater, 0.05 being 5 %.
  RateSearch(double first_rate, double least_rate, double tolerance)
      : rate_(first_rate), least_rate_(least_rate), tolerance_(tolerance) {}

  // The rate to be tried next; nothing when the search is over.
  std::optional<double> Next() const;

  void Report(Trial trial);

  // The greatest rate that has met the target; nothing where none has.
  std::optional<double> met() const { return met_; }
  // The least one that has not, where one was found.
  std::optional<double> missed() const { return missed_; }
  // Whether it ended at a trial that was too short to tell; nothing is known of its rate.
  bool is_open() const { return was_too_short_; }

 private:
  double rate_;
  const double least_rate_;
  const double tolerance_;
  std::optional<double> met_;
  std::optional<double> missed_;
  bool was_too_short_ = false;
};

}  // namespace lockstep
