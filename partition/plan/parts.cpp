#include "partition/plan/parts.h"

#include "core/error.h"

namespace lockstep {

void CheckParts(const Parts& parts) {
  if (parts.parts < 1)
    throw BadInput("{}: {} {}s; expected 1 to {}, the number of {}", parts.what, parts.parts,
                   parts.part_name, parts.whole, parts.whole_name);
  const std::int64_t empty = parts.parts - parts.whole;
  if (empty > 0)
    throw BadInput("{}: {} {} over {} {}s leaves {} {}{} empty; use at most {}", parts.what,
                   parts.whole, parts.whole_name, parts.parts, parts.part_name, empty,
                   parts.part_name, empty == 1 ? "" : "s", parts.remedy);
}

}  // namespace lockstep
