#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "runtime/spawn/spawn.h"

namespace lockstep {

// `--elastic`: a world that has lost a rank is started again, and with fewer ranks where that does
// not help. For work that goes on where it was, as jobs from file to file do.

// What the ranks of a world are.
struct WorldLayout {
  int tensor = 1;    // ranks that add up
  int pipeline = 1;  // stages
  int copies = 1;    // of the model

  int ranks() const { return tensor * pipeline * copies; }
  bool operator==(const WorldLayout&) const = default;
};

// The layout to go on with where this one does not: one copy fewer, then half of the ranks that add
// up, so that 8, 4, 2 and 1 have the same bits; then half of the stages. Nothing: it is one rank.
std::optional<WorldLayout> NextSmaller(const WorldLayout& layout);

// "2 copies of 4 ranks"
std::string Describe(const WorldLayout& layout);

// What to do when a world has ended. Knows nothing of processes.
class ElasticPlan {
 public:
  explicit ElasticPlan(const WorldLayout& layout) : layout_(layout) {}

  const WorldLayout& layout() const { return layout_; }
  // Whether to start again, with layout(), a world that ended with this exit code after so long.
  // Once with as many ranks; if it then ends soon, too, with fewer.
  bool StartsAgain(int exit_code, std::chrono::duration<double> lived);

 private:
  WorldLayout layout_;
  int short_lives_ = 0;  // in a row
};

// SpawnWorld() as often as that takes. Its ranks are told what ElasticStart::OfThisWorld() says.
int SpawnElasticWorld(SpawnOptions options, const WorldLayout& layout,
                      std::span<const std::string> arguments);

// What holds for the ranks of a world that SpawnElasticWorld() has started, whatever the command
// line says.
struct ElasticStart {
  WorldLayout layout;
  int earlier_worlds = 0;  // that have done a part of the work

  // Nothing: somebody else has started it.
  static std::optional<ElasticStart> OfThisWorld();
};

}  // namespace lockstep
