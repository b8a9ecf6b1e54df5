#pragma once

#include <span>
#include <vector>

namespace lockstep {

// What a rank gives to ControlPlane::Split().
struct SplitChoice {
  int color;
  int key;
};

// Colors are 0 or more: a defect of the caller otherwise.
void CheckColor(const SplitChoice& mine);

// The part that this rank of a group belongs to, as ranks of the group in the part's order.
// choices: of all ranks, in rank order.
std::vector<int> PartOf(int rank, std::span<const SplitChoice> choices);

}  // namespace lockstep
