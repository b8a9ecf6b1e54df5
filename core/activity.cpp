#include "core/activity.h"

#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

struct State {
  std::mutex mutex;
  std::vector<std::string> stack;
  std::string failed;  // empty: no exception has ended an activity
  ActivityObserver observer = nullptr;

  std::string_view Innermost() const {
    return stack.empty() ? std::string_view("starting") : stack.back();
  }
  void Tell() const {
    if (observer != nullptr) observer(Innermost());
  }
};

State& TheState() {
  static State state;
  return state;
}

}  // namespace

Activity::Activity(std::string what) : exceptions_at_start_(std::uncaught_exceptions()) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  state.stack.push_back(std::move(what));
  state.failed.clear();
  state.Tell();
}

Activity::~Activity() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const bool unwinding = std::uncaught_exceptions() > exceptions_at_start_;
  // The innermost activity unwinds first and is the one worth naming.
  if (unwinding && state.failed.empty()) state.failed = state.stack.back();
  state.stack.pop_back();
  state.Tell();
}

std::string CurrentActivity() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  return std::string(state.Innermost());
}

std::string FailedActivity() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  return state.failed.empty() ? std::string(state.Innermost()) : state.failed;
}

void ObserveActivity(ActivityObserver observer) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  state.observer = observer;
  state.Tell();
}

}  // namespace lockstep
