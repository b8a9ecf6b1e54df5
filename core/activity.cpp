#include "core/activity.h"

#include <mutex>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

std::mutex g_mutex;
std::vector<std::string>& Stack() {
  static std::vector<std::string> stack;
  return stack;
}

}  // namespace

Activity::Activity(std::string what) {
  const std::lock_guard lock(g_mutex);
  Stack().push_back(std::move(what));
}

Activity::~Activity() {
  const std::lock_guard lock(g_mutex);
  Stack().pop_back();
}

std::string CurrentActivity() {
  const std::lock_guard lock(g_mutex);
  return Stack().empty() ? "starting" : Stack().back();
}

}  // namespace lockstep
