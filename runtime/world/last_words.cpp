#include "runtime/world/last_words.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <sstream>
#include <utility>
#include <vector>

#include "comm/groups/hosts.h"
#include "comm/peers/line_sockets.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

constexpr int kTimesSent = 3;  // a datagram may be lost
constexpr int kBetweenMilliseconds = 20;

struct LastWordsDatagram {
  std::uint64_t secret[2] = {};
  std::int32_t rank = -1;
  char host[sizeof(RankSlot::host)] = {};
  char activity[sizeof(RankSlot::activity)] = {};
};

// Where an inbox is, as kLastWordsVariable says it.
struct InboxContact {
  std::uint64_t secret[2] = {};
  std::uint16_t port = 0;                // as the network has it
  std::vector<std::uint32_t> addresses;  // the same
};

std::string PrintContact(const InboxContact& contact) {
  return fmt::format("{:x} {:x} {:x} {:x}", contact.secret[0], contact.secret[1], contact.port,
                     fmt::join(contact.addresses, " "));
}

InboxContact ReadContact(const char* text) {
  InboxContact contact;
  if (text == nullptr) return contact;
  std::istringstream words(text);
  words >> std::hex >> contact.secret[0] >> contact.secret[1] >> contact.port;
  for (std::uint32_t address = 0; words >> address;) contact.addresses.push_back(address);
  return contact;
}

sockaddr_in SocketAddress(std::uint32_t address, std::uint16_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = port;
  place.sin_addr.s_addr = address;
  return place;
}

}  // namespace

LastWordsInbox::LastWordsInbox() {
  InboxContact contact{.addresses = OwnAddresses()};
  sockaddr_in here = SocketAddress(INADDR_ANY, 0);
  socklen_t size = sizeof(here);
  auto* place = reinterpret_cast<sockaddr*>(&here);
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool opened = socket_ >= 0 && !contact.addresses.empty() &&
                      ::bind(socket_, place, size) == 0 &&
                      ::getsockname(socket_, place, &size) == 0 &&
                      ::getrandom(secret_, sizeof(secret_), 0) == sizeof(secret_);
  if (!opened) {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    return;
  }
  std::ranges::copy(secret_, contact.secret);
  contact.port = here.sin_port;
  address_ = PrintContact(contact);
}

LastWordsInbox::~LastWordsInbox() {
  if (socket_ >= 0) ::close(socket_);
}

void LastWordsInbox::Receive(const RankBoard& board) {
  LastWordsDatagram words;
  while (socket_ >= 0 && ::recv(socket_, &words, sizeof(words), 0) == sizeof(words)) {
    const bool is_ours = std::ranges::equal(words.secret, secret_) && words.rank >= 0 &&
                         words.rank < board.ranks() &&
                         board.slot(words.rank).state == RankState::kAbsent;
    if (!is_ours) continue;
    words.host[sizeof(words.host) - 1] = '\0';
    words.activity[sizeof(words.activity) - 1] = '\0';
    WriteField(board.slot(words.rank).host, words.host);
    WriteField(board.slot(words.rank).activity, words.activity);
  }
}

struct LastWords::Shared {
  std::atomic<std::uint32_t> withheld;
  std::atomic<std::int32_t> signal;  // that has asked the rank to end; 0: none
  LastWordsDatagram words;
};

namespace {

// From the end of a rank to words on standard error: a launcher that kills a whole step does not
// ask first, and then this process goes as well.
constexpr int kKilledTogetherMilliseconds = 50;

std::atomic<std::uint32_t>* g_withheld = nullptr;       // of this process's rank
volatile std::sig_atomic_t g_rank_is_asked_to_end = 0;  // in the child

// In the child. What it holds open of the rank's others wait to see closed.
void CloseAllBut(int one, int other) {
  const auto [low, high] = std::minmax(one, other);
  const auto close_between = [](int first, int last) {
    if (first <= last) ::syscall(SYS_close_range, first, last, 0);
  };
  close_between(0, low - 1);
  close_between(low + 1, high - 1);
  ::syscall(SYS_close_range, high + 1, ~0U, 0);
}

void AwaitEnd(int rank_process) {
  pollfd ended{rank_process, POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0) {
  }
}

void OnSignalsOfRanks(void (*action)(int)) {
  for (const int meant_for_ranks : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
    ::signal(meant_for_ranks, action);
}

void SendLastWords(int socket, const InboxContact& contact, const LastWordsDatagram& words) {
  for (const std::uint32_t address : contact.addresses) {
    const sockaddr_in there = SocketAddress(address, contact.port);
    ::sendto(socket, &words, sizeof(words), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&there),
             sizeof(there));
  }
}

void WriteLastWords(const LastWordsDatagram& words) {
  const bool is_known = words.activity[0] != '\0';
  LogError("rank {} on {} has ended without a word{}{}", words.rank, words.host,
           is_known ? " while " : "", words.activity);
}

// A child that waits for this process's end. way: what it keeps open of it.
bool ForkChild(int way, const std::function<void(int rank_process)>& life) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (process < 0) return false;
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, "lockstep-words");
    CloseAllBut(process, way);
    life(process);
    ::_exit(0);
  }
  ::close(process);
  return child > 0;
}

}  // namespace

LastWords::LastWords(int rank, Else otherwise) {
  const InboxContact contact = ReadContact(std::getenv(kLastWordsVariable));
  const bool is_named = !contact.addresses.empty();
  if (rank < 0 || (!is_named && otherwise == Else::kNobody)) return;
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  shared_ = new (memory) Shared{};
  std::ranges::copy(contact.secret, shared_->words.secret);
  shared_->words.rank = rank;
  WriteField(shared_->words.host, HostName());
  if (is_named) {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    has_inbox_ = socket >= 0 && ForkChild(socket, [&](int rank_process) {
                   ::setsid();  // mpirun ends the groups of its ranks
                   OnSignalsOfRanks(SIG_IGN);
                   AwaitEnd(rank_process);
                   for (int sent = 0; sent < kTimesSent && shared_->withheld == 0; ++sent) {
                     SendLastWords(socket, contact, shared_->words);
                     ::poll(nullptr, 0, kBetweenMilliseconds);
                   }
                 });
    if (socket >= 0) ::close(socket);
    return;
  }
  ShareInterrupts({.signal = &shared_->signal});
  g_withheld = &shared_->withheld;
  std::at_quick_exit([] { *g_withheld = 1; });
  ForkChild(STDERR_FILENO, [&](int rank_process) {
    OnSignalsOfRanks([](int) { g_rank_is_asked_to_end = 1; });
    AwaitEnd(rank_process);
    if (shared_->withheld != 0) return;
    ::poll(nullptr, 0, kKilledTogetherMilliseconds);
    if (shared_->signal == 0 && g_rank_is_asked_to_end == 0) WriteLastWords(shared_->words);
  });
}

void LastWords::Withhold() {
  if (shared_ != nullptr) shared_->withheld = 1;
}

void LastWords::SetActivity(std::string_view what) {
  if (shared_ != nullptr) WriteField(shared_->words.activity, what);
}

}  // namespace lockstep
