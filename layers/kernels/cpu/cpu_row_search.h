#pragma once

#include <span>
#include <vector>

#include "core/threads/thread_pool.h"
#include "layers/kernels/cpu/kernels.h"
#include "layers/kernels/row_search.h"

// Operations of Ops of these names. Threads share rows, or the columns of few rows; the answers
// do not depend on how.
namespace lockstep::cpu {

std::vector<std::vector<ColumnLogit>> FindLeaders(const RowSearch& search,
                                                  std::span<const RaceQuestion> questions,
                                                  const Kernels& kernels, ThreadPool& pool);

std::vector<std::vector<double>> SumMasses(const RowSearch& search,
                                           std::span<const MassQuestion> questions,
                                           std::span<const Range> ranges, const Kernels& kernels,
                                           ThreadPool& pool);

std::vector<ColumnLogit> LargestLogits(const RowSearch& search, std::int64_t count,
                                       const Kernels& kernels, ThreadPool& pool);

}  // namespace lockstep::cpu
