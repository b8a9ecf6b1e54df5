#include "partition/model/architecture.h"

#include <fmt/format.h>

#include "core/error.h"
#include "partition/model/families/families.h"

// So that a value which is not handled stops every build.
#pragma GCC diagnostic error "-Wswitch"

namespace lockstep {

const Architecture& ArchitectureOf(Family family) {
  switch (family) {
    case Family::kGptJ: return kGptJ;
    case Family::kGptNeoX: return kGptNeoX;
    case Family::kGpt2: return kGpt2;
  }
  LOCKSTEP_CHECK(false, "family {}", static_cast<int>(family));
}

QkvLayout ProductLayout(QkvStorage storage) {
  switch (storage) {
    case QkvStorage::kSeparate:
    case QkvStorage::kFusedByPart: return QkvLayout::kSeparate;
    case QkvStorage::kFusedPerHead: return QkvLayout::kFusedPerHead;
  }
  LOCKSTEP_CHECK(false, "QKV storage {}", static_cast<int>(storage));
}

std::string LayerTensorName(const Architecture& architecture, std::int64_t layer,
                            std::string_view name) {
  return fmt::format(fmt::runtime(architecture.layer_prefix), layer) + std::string(name);
}

}  // namespace lockstep
