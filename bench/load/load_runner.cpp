#include "bench/load/load_runner.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <utility>

namespace lockstep {
namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;

constexpr std::chrono::milliseconds kTick{100};

// How long a client waits whose request has failed: so that a server that refuses everything is
// not asked a hundred thousand times a second.
constexpr double kLeastRestSeconds = 0.1;
constexpr double kMostRestSeconds = 5.0;

}  // namespace

LoadRunner::LoadRunner(Parts parts)
    : parts_(std::move(parts)), arrival_(parts_.io), tick_(parts_.io) {}

LoadRun LoadRunner::Run(const LoadPlan& plan) {
  plan_ = plan;
  next_ = 0;
  is_done_ = false;
  progress_ = {};
  run_ = {};
  parts_.io.restart();
  const auto guard = asio::make_work_guard(parts_.io);
  clock_.Restart();
  Pump();
  Tick();
  while (!is_done_) parts_.io.run_one();
  arrival_.cancel();
  tick_.cancel();
  rests_.clear();
  resting_ = 0;
  parts_.io.poll();  // what was cancelled
  run_.seconds = clock_.Now();
  run_.asked_for = next_;
  return std::move(run_);
}

bool LoadRunner::MayStart() {
  if (run_.is_stopped || next_ >= plan_.requests) return false;
  if (!plan_.arrivals.empty()) return next_ < static_cast<std::int64_t>(plan_.arrivals.size());
  return clock_.Now() < plan_.seconds;
}

void LoadRunner::Pump() {
  while (MayStart()) {
    if (plan_.concurrency && in_flight_ + resting_ >= *plan_.concurrency) return;
    if (!plan_.arrivals.empty()) {
      const double due = plan_.arrivals[static_cast<std::size_t>(next_)];
      if (due > clock_.Now()) {
        arrival_.expires_at(clock_.TimeOf(due));
        arrival_.async_wait([this](Code code) {
          if (!code && !is_done_) Pump();
        });
        return;
      }
    }
    Start();
  }
  if (in_flight_ == 0) is_done_ = true;
}

void LoadRunner::Start() {
  ++in_flight_;
  parts_.target.Send(parts_.make(next_++), clock_,
                     [this](RequestRecord record) { End(std::move(record)); });
}

void LoadRunner::End(RequestRecord record) {
  --in_flight_;
  if (record.is_complete()) {
    ++progress_.completed;
    progress_.output_tokens += record.tokens();
  } else if (record.failure) {
    ++progress_.failed;
    if (plan_.arrivals.empty()) Rest(record.retry_after);
  }
  if (parts_.on_record) parts_.on_record(record);
  run_.records.push_back(std::move(record));
  if (!run_.is_stopped && parts_.stop()) return Stop();
  Pump();
}

void LoadRunner::Rest(double seconds) {
  ++resting_;
  const double rest = std::clamp(seconds, kLeastRestSeconds, kMostRestSeconds);
  asio::steady_timer& timer = rests_.emplace_back(parts_.io);
  timer.expires_at(clock_.TimeOf(clock_.Now() + rest));
  timer.async_wait([this](Code code) {
    if (code || is_done_) return;
    --resting_;
    Pump();
  });
}

void LoadRunner::Tick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](Code code) {
    if (code || is_done_) return;
    progress_.seconds = clock_.Now();
    progress_.in_flight = in_flight_;
    if (parts_.on_progress) parts_.on_progress(progress_);
    if (!run_.is_stopped && parts_.stop()) Stop();
    Tick();
  });
}

void LoadRunner::Stop() {
  run_.is_stopped = true;
  parts_.target.Cancel();
  Pump();
}

}  // namespace lockstep
