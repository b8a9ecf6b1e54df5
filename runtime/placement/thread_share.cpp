#include "runtime/placement/thread_share.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

cpu_set_t OwnCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof(cores), &cores);
  return cores;
}

// What a rank says of itself: its cores, then the numbers of the groups that have a quota.
struct Note {
  cpu_set_t cores = {};
  std::vector<std::uint64_t> groups;

  bool Has(std::size_t core) const { return CPU_ISSET(core, &cores); }
  bool IsIn(std::uint64_t group) const { return std::ranges::find(groups, group) != groups.end(); }
};

ControlPlane::Bytes Pack(const Note& note) {
  ControlPlane::Bytes bytes(sizeof(note.cores) + note.groups.size() * sizeof(std::uint64_t));
  std::memcpy(bytes.data(), &note.cores, sizeof(note.cores));
  if (!note.groups.empty())
    std::memcpy(bytes.data() + sizeof(note.cores), note.groups.data(),
                note.groups.size() * sizeof(std::uint64_t));
  return bytes;
}

Note Unpack(const ControlPlane::Bytes& bytes) {
  Note note;
  LOCKSTEP_CHECK(bytes.size() >= sizeof(note.cores), "{} bytes", bytes.size());
  std::memcpy(&note.cores, bytes.data(), sizeof(note.cores));
  note.groups.resize((bytes.size() - sizeof(note.cores)) / sizeof(std::uint64_t));
  if (!note.groups.empty())
    std::memcpy(note.groups.data(), bytes.data() + sizeof(note.cores),
                note.groups.size() * sizeof(std::uint64_t));
  return note;
}

// Of the ranks of this one's host, itself included.
std::vector<Note> GatherHost(ControlPlane& comm, const Note& mine) {
  const auto all = comm.AllGather(Pack(mine));
  std::vector<Note> notes;
  for (const int rank : comm.hosts().Neighbours(comm.rank()))
    notes.push_back(Unpack(all[static_cast<std::size_t>(rank)]));
  return notes;
}

template <typename Takes>
double Sharers(const std::vector<Note>& notes, const Takes& takes) {
  return static_cast<double>(std::max<std::ptrdiff_t>(1, std::ranges::count_if(notes, takes)));
}

}  // namespace

double CpuShare(ControlPlane& comm, const std::vector<GroupLimit>& quotas) {
  Note mine{.cores = OwnCores(), .groups = {}};
  for (const GroupLimit& quota : quotas) mine.groups.push_back(quota.group);
  const std::vector<Note> notes = GatherHost(comm, mine);
  double share = 0.0;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core)
    if (mine.Has(core))
      share += 1.0 / Sharers(notes, [&](const Note& note) { return note.Has(core); });
  for (const GroupLimit& quota : quotas)
    share = std::min(share, quota.amount / Sharers(notes, [&](const Note& note) {
                              return note.IsIn(quota.group);
                            }));
  return share;
}

// A little more than the sum, which rounding may have left a little below a whole number.
int ThreadsOf(double share) { return std::max(1, static_cast<int>(share + 1e-6)); }

}  // namespace lockstep
