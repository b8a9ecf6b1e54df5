#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planning/prediction.h"

namespace lockstep {

// What a layout has to reach.
struct Goal {
  double tokens_per_second = 0.0;             // of each user's text, prompts of the others included
  std::int64_t users = 1;                     // texts in flight
  std::optional<double> first_token_seconds;  // of a prompt that nobody stands before

  bool operator==(const Goal&) const = default;
};

// "50 tokens/s for 64 users", with ", first token within 200 ms" (or s) behind it if you like.
// Throws BadInput for anything else, with what is expected.
Goal ParseGoal(std::string_view text);

bool Meets(const Prediction& prediction, const Goal& goal);

struct GoalSearch {
  const ModelSpec& spec;
  const Machine& machine;
  Goal goal;
  std::int64_t prompt_tokens = 128;
  std::int64_t new_tokens = 128;
  EngineLimits limits;
  // What the user has chosen; unset: all are tried.
  std::optional<WeightFormat> format;
  std::optional<std::int64_t> tp;
  std::optional<std::int64_t> pp;
  std::optional<std::int64_t> threads;
};

struct GoalAnswer {
  // Those that fit and meet the goal: of each format the layouts that no other one of it beats both
  // in cost and in speed. The cheapest (fewest cores or GPUs) first; of equals the most exact
  // format, then the fastest.
  std::vector<Prediction> layouts;
  // Where there is none: what came nearest among those that fit, or nothing where none fits.
  std::optional<Prediction> nearest;
  std::int64_t tried = 0;
};

// Tries formats x stages x ranks x cores of a rank x copies: powers of two of ranks and cores, of
// stages where a machine has several nodes, up to as many of them, and every number of copies that
// changes how many texts each has, up to what the machine has.
GoalAnswer Search(const GoalSearch& search);

}  // namespace lockstep
