#pragma once

#include <cstdint>
#include <vector>

#include "layers/kernels/row_search.h"
#include "layers/rows/top_logits.h"

namespace lockstep {

constexpr Candidate kNoBound{kBehindAll.column, kBehindAll.logit};

// What rank 0 wants to know of one row of logits. Each rank answers for its slice of the
// vocabulary.
struct RowQuestion {
  std::int64_t row = 0;      // of the logits of the last batch
  std::int32_t target = -1;  // the token whose logit is asked, -1: none
  // Tokens whose logits are asked, each once; from then on they are in none of the searches below,
  // nor in those of later questions about this row.
  std::vector<std::int32_t> taken = {};
  std::int64_t likeliest = 0;  // that many of the likeliest tokens, and their ties

  // So many of the leaders of the race (layers/kernels/noise.h) among what comes before a token.
  std::int64_t leaders = 0;
  NoiseKey key = {};
  double temperature = 1.0;  // of the race and of the masses
  Candidate before = kNoBound;

  // The probability before each of these tokens, at most MassQuestion::kMostBounds, and of all,
  // relative to a logit.
  std::vector<Candidate> bounds = {};
  float reference = 0.0f;

  bool operator==(const RowQuestion&) const = default;
};

// What the ranks found, together.
struct RowAnswer {
  // Only of a step's first questions.
  float max = 0.0f;
  std::int32_t argmax = 0;   // the lowest id of equals
  float target = 0.0f;       // logit of RowQuestion::target
  double log_sum_exp = 0.0;  // natural log of the sum of exp(logit); NaN: not all are finite

  std::vector<Candidate> taken;      // by rank; ids that no rank has are missing
  std::vector<Candidate> likeliest;  // as Likeliest() gives them
  std::vector<Candidate> leaders;    // in no order: so many of each rank
  std::vector<double> masses;        // one for each bound, and that of all
};

}  // namespace lockstep
