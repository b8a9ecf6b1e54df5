#include "nccl_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <string>

namespace lockstep::cuda_emulation {
namespace {

// The segment is a memory file that the process which made it holds open: it needs no name, and
// nothing is left behind however the processes end.
struct IdContent {
  char mark[8];
  std::int32_t process;
  std::int32_t file;
};
constexpr char kMark[8] = {'l', 's', 'e', 'm', 'u', 'n', 'c', 'l'};
static_assert(sizeof(IdContent) <= sizeof(ncclUniqueId));

}  // namespace

ncclResult_t CreateSegment(ncclUniqueId* id) {
  const int file = memfd_create("lockstep-nccl", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, sizeof(Segment)) != 0) return ncclSystemError;
  IdContent content{};
  std::memcpy(content.mark, kMark, sizeof kMark);
  content.process = getpid();
  content.file = file;
  std::memset(id, 0, sizeof *id);
  std::memcpy(id, &content, sizeof content);
  return ncclSuccess;
}

std::shared_ptr<Segment> OpenSegment(const ncclUniqueId& id) {
  IdContent content{};
  std::memcpy(&content, &id, sizeof content);
  if (std::memcmp(content.mark, kMark, sizeof kMark) != 0) return nullptr;
  const std::string path = fmt::format("/proc/{}/fd/{}", content.process, content.file);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* p = mmap(nullptr, sizeof(Segment), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (p == MAP_FAILED) return nullptr;
  return {static_cast<Segment*>(p), [](Segment* segment) { munmap(segment, sizeof *segment); }};
}

bool ProcessIsAlive(pid_t process) {
  if (kill(process, 0) != 0 && errno == ESRCH) return false;
  std::ifstream in(fmt::format("/proc/{}/stat", process));
  std::string line;
  std::getline(in, line);
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= line.size()) return in.good();
  const char state = line[name_end + 2];
  return state != 'Z' && state != 'X';
}

}  // namespace lockstep::cuda_emulation
