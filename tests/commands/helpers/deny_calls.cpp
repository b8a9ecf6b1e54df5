// deny_calls COMMAND...: runs it where calls of the system that many containers forbid fail: no
// memory without a name, no binding to cores, no looking into other processes.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

constexpr long kDenied[] = {SYS_memfd_create,     SYS_sched_setaffinity, SYS_mbind,
                            SYS_set_mempolicy,    SYS_get_mempolicy,     SYS_move_pages,
                            SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace};

bool Deny() {
  std::vector<sock_filter> filter;
  const auto add = [&](unsigned code, unsigned value, int skip_if_not) {
    filter.push_back(
        {static_cast<unsigned short>(code), 0, static_cast<unsigned char>(skip_if_not), value});
  };
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr), 0);
  for (const long call : kDenied) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0);
  }
  add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || !Deny()) {
    std::perror("deny_calls");
    return 1;
  }
  ::execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 127;
}
