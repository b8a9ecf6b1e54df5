#include "ranks.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <vector>

void MeetOthers(const Rank& me) {
  const int round = (__atomic_fetch_add(&me.meeting->arrived, 1, __ATOMIC_ACQ_REL)) / me.size + 1;
  while (__atomic_load_n(&me.meeting->arrived, __ATOMIC_ACQUIRE) < round * me.size) usleep(100);
}

int RunRanks(int size, const std::function<void(const Rank&)>& scenario) {
  void* shared =
      mmap(nullptr, sizeof(Meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto* meeting = new (shared) Meeting{};
  REQUIRE_OK(ncclGetUniqueId(&meeting->id));
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      scenario({rank, size, meeting});
      std::fflush(nullptr);
      std::_Exit(0);
    }
    children.push_back(child);
  }
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) ++failed;
  }
  return failed;
}
