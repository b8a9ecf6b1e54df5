#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Names of a model's checkpoints in the hub's cache: branches, such as those of the Pythia suite,
// which are "step0", "step1", "step2", "step4" and so on to "step512", then "step1000", "step2000"
// and so on to "step143000".

// "step0,step1000..step143000": names and ranges with commas between them. Of a range
// stepA..stepB/N are the steps A, A + N, A + 2 N and so on up to B, of stepA..stepB those among
// them that the Pythia suite has. Throws BadInput for what is neither, a range without steps, and a
// revision that comes twice.
std::vector<std::string> ParseRevisions(std::string_view text);

// Of "step1000" the 1000; nothing for another name.
std::optional<std::int64_t> StepOf(std::string_view revision);

}  // namespace lockstep
