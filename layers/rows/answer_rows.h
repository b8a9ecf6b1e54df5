#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layers/kernels/device.h"
#include "layers/kernels/ops.h"
#include "layers/rows/row_question.h"

namespace lockstep {

// A rank's slice of rows of logits.
struct LogitSlice {
  Device& device;
  Ops& ops;
  TensorView logits;  // [rows, vocab.size()] fp32, in memory of the device
  Range vocab;        // the tokens of its columns
  // Tokens; the leaves of sums over them (docs/dev/numerics.md).
  std::span<const Range> leaves;
  // Ids from here on are padding of the vocabulary: they are in no search. In the statistics they
  // count, as they do in transformers.
  std::int64_t vocab_limit = 0;
};

// kYes: the questions are the first about these logits, one for each row in their order, and want
// statistics.
enum class FirstQuestions : std::uint8_t { kNo, kYes };

// This rank's answer. Changes the logits of tokens that are taken.
std::vector<std::byte> AnswerRows(const LogitSlice& slice, std::span<const RowQuestion> questions,
                                  FirstQuestions first);

// The answers of all ranks, in their order, as one. Bits do not depend on their number where it
// is a power of two.
std::vector<RowAnswer> MergeAnswers(std::span<const std::vector<std::byte>> answers,
                                    std::span<const RowQuestion> questions, FirstQuestions first);

}  // namespace lockstep
