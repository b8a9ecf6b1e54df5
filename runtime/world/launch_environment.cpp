#include "runtime/world/launch_environment.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "runtime/world/world.h"

namespace lockstep {
namespace {

std::optional<int> Number(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text != nullptr && *text != '\0') return std::atoi(text);
  }
  return std::nullopt;
}

}  // namespace

int AnnouncedRank() {
  return Number({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}).value_or(0);
}

std::optional<int> AnnouncedSize() {
  return Number({"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"});
}

bool AllRanksAreHere() {
  const auto here = Number({"OMPI_COMM_WORLD_LOCAL_SIZE"});
  return here.has_value() && here == AnnouncedSize();
}

bool HasProcessManager() {
  return Number({"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"}).has_value();
}

bool OffersPmi2Only() {
  return AnnouncedSize() && std::getenv("SLURM_STEP_NUM_TASKS") != nullptr &&
         !Number({"PMIX_RANK", "OMPI_COMM_WORLD_RANK"}) && Number({"PMI_RANK"});
}

bool MayUseOtherHosts() {
  if (std::getenv("SLURM_JOB_ID") != nullptr) {
    return Number({"SLURM_JOB_NUM_NODES", "SLURM_NNODES"}).value_or(2) > 1;
  }
  constexpr const char* kOthers[] = {"PBS_NODEFILE",
                                     "PE_HOSTFILE",
                                     "LSB_HOSTS",
                                     "LSB_DJOB_HOSTFILE",
                                     "COBALT_NODEFILE",
                                     "OMPI_MCA_orte_default_hostfile",
                                     "PRTE_MCA_prte_default_hostfile"};
  return std::ranges::any_of(kOthers, [](const char* name) { return std::getenv(name); });
}

bool InsideWorld() {
  // A batch script under Slurm has SLURM_NTASKS too, but is no rank: only a step has tasks.
  return HasProcessManager() || Number({"SLURM_STEP_NUM_TASKS"}).value_or(1) > 1;
}

}  // namespace lockstep
