// An Ethernet switch between hosts of one machine: a tap device for each link, whose frames it
// delays, drops and paces as it is told. Not every kernel can do that itself.
//   link_switch LINKS
// makes link1, link2, … in its network namespace and then reads orders, one a line:
//   LINK DELAY_US LOSS_PERCENT MBIT CUT
// for the frames that come from that link or go to it: how much later they arrive, how many are
// lost, how many megabits a second the host may send (0: any number), and whether the link is cut
// (1). Each order is answered by "done", when it is in force. Ends with its input.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <queue>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kFrameBytes = 9100;      // jumbo frames, with their headers
constexpr int kFramesAtOnce = 64;              // from one link, before the others have their turn
constexpr std::size_t kQueueFrames = 1 << 14;  // for one link; what comes beyond is lost
constexpr double kLongestPauseSeconds = 1;

using Address = std::array<unsigned char, 6>;

struct Frame {
  double due = 0;
  std::uint64_t number = 0;  // frames that are due together keep their order
  std::vector<char> bytes;

  bool operator<(const Frame& other) const {
    return std::pair(due, number) > std::pair(other.due, other.number);  // the next one on top
  }
};

struct Link {
  int device = -1;
  double delay_seconds = 0;
  double loss = 0;
  double bits_per_second = 0;
  bool cut = false;
  double free_at = 0;  // when it has taken what it was given
  std::priority_queue<Frame> waiting;
};

double Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(3);
}

int OpenDevice(std::size_t number) {
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) Fail("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::snprintf(request.ifr_name, IFNAMSIZ, "link%zu", number);
  if (::ioctl(device, TUNSETIFF, &request) != 0) Fail("TUNSETIFF");
  return device;
}

class Switch {
 public:
  explicit Switch(std::size_t links) : links_(links) {
    for (std::size_t at = 0; at < links; ++at) {
      links_[at].device = OpenDevice(at + 1);
      polled_.push_back({links_[at].device, POLLIN, 0});
    }
    polled_.push_back({STDIN_FILENO, POLLIN, 0});
  }

  // Until there are no more orders.
  void Run() {
    while (Deliver(), Await(), TakeOrders()) {
      for (std::size_t from = 0; from < links_.size(); ++from) {
        if (polled_[from].revents != 0) Take(from);
      }
    }
  }

 private:
  void Await() {
    const double now = Now();
    double wake = now + kLongestPauseSeconds;
    for (const Link& link : links_) {
      if (!link.waiting.empty()) wake = std::min(wake, link.waiting.top().due);
    }
    const double pause = std::max(0.0, wake - now);
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(pause);
    limit.tv_nsec = static_cast<long>((pause - std::floor(pause)) * 1e9);
    ::ppoll(polled_.data(), polled_.size(), &limit, nullptr);
  }

  void Deliver() {
    const double now = Now();
    for (Link& link : links_) {
      while (!link.waiting.empty() && link.waiting.top().due <= now) {
        const std::vector<char>& bytes = link.waiting.top().bytes;
        // What a host does not take is lost, as on a wire.
        if (::write(link.device, bytes.data(), bytes.size()) < 0 && errno == EBADF) Fail("write");
        link.waiting.pop();
      }
    }
  }

  bool TakeOrders() {
    if (polled_.back().revents == 0) return true;
    char buffer[4096];
    const ssize_t bytes = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (bytes <= 0) return false;
    orders_.append(buffer, static_cast<std::size_t>(bytes));
    for (auto end = orders_.find('\n'); end != orders_.npos; end = orders_.find('\n')) {
      Obey(orders_.substr(0, end));
      orders_.erase(0, end + 1);
    }
    return true;
  }

  void Obey(const std::string& order) {
    std::istringstream words(order);
    std::size_t number = 0;
    double delay_us = 0;
    double loss_percent = 0;
    double mbit = 0;
    bool cut = false;
    words >> number >> delay_us >> loss_percent >> mbit >> cut;
    if (!words || number < 1 || number > links_.size()) {
      std::fprintf(stderr, "link_switch: not an order: %s\n", order.c_str());
      std::exit(2);
    }
    Link& link = links_[number - 1];
    link.delay_seconds = delay_us * 1e-6;
    link.loss = loss_percent / 100;
    link.bits_per_second = mbit * 1e6;
    link.cut = cut;
    std::puts("done");
    std::fflush(stdout);
  }

  void Take(std::size_t from) {
    std::vector<char> frame(kFrameBytes);
    for (int count = 0; count < kFramesAtOnce; ++count) {
      const ssize_t bytes = ::read(links_[from].device, frame.data(), frame.size());
      if (bytes < 2 * static_cast<ssize_t>(std::tuple_size_v<Address>)) return;
      Forward(from, {frame.data(), static_cast<std::size_t>(bytes)});
    }
  }

  void Forward(std::size_t from, const std::string_view frame) {
    Address to{};
    Address by{};
    std::memcpy(to.data(), frame.data(), to.size());
    std::memcpy(by.data(), frame.data() + to.size(), by.size());
    place_of_[by] = from;
    const double leaves = Pass(links_[from], frame.size());
    const auto known = place_of_.find(to);
    for (std::size_t at = 0; at < links_.size(); ++at) {
      if (at == from || (known != place_of_.end() && known->second != at)) continue;
      Send(links_[from], links_[at], leaves, frame);
    }
  }

  // When a link that takes so many bits a second has taken the frame.
  static double Pass(Link& link, std::size_t bytes) {
    const double now = Now();
    if (link.bits_per_second <= 0) return now;
    link.free_at =
        std::max(link.free_at, now) + static_cast<double>(bytes) * 8 / link.bits_per_second;
    return link.free_at;
  }

  void Send(const Link& from, Link& to, double leaves, std::string_view frame) {
    const bool lost = from.cut || to.cut || to.waiting.size() >= kQueueFrames ||
                      chance_(random_) < from.loss + to.loss;
    if (lost) return;
    to.waiting.push({leaves + from.delay_seconds + to.delay_seconds, ++frames_,
                     std::vector<char>(frame.begin(), frame.end())});
  }

  std::vector<Link> links_;
  std::vector<pollfd> polled_;  // the links, then the orders
  std::map<Address, std::size_t> place_of_;
  std::string orders_;
  std::uint64_t frames_ = 0;
  std::minstd_rand random_{1};
  std::uniform_real_distribution<double> chance_{0, 1};
};

}  // namespace

int main(int argc, char** argv) {
  const int links = argc == 2 ? std::atoi(argv[1]) : 0;
  if (links < 1) {
    std::fprintf(stderr, "usage: link_switch LINKS\n");
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Switch all(static_cast<std::size_t>(links));
  std::puts("ready");
  std::fflush(stdout);
  all.Run();
  return 0;
}
