#pragma once

#include <string>

namespace lockstep {

// Throws BadInput for an input that is no JSON lines as a whole, with what makes it so: compressed
// files, UTF-16, and one list with all lines. Each of its lines would get an error record
// otherwise, after a whole job. Reads its first block alone, and throws as InputFile does.
void RefuseOtherFormats(const std::string& input);

}  // namespace lockstep
