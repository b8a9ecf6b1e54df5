#include "server/weights/load_call.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "api/openai/api_error.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace lockstep {

struct LoadCall::Shared {
  std::mutex mutex;
  std::function<void()> notify;  // empty: the call is gone, or has ended
  std::optional<std::string> answer;
  std::optional<ApiError> error;

  void End(std::optional<std::string> answer_in, std::optional<ApiError> error_in) {
    const std::lock_guard lock(mutex);
    answer = std::move(answer_in);
    error = std::move(error_in);
    if (const auto tell = std::exchange(notify, nullptr)) tell();
  }
};

namespace {

// For messages: clients send any bytes.
std::string Shown(const std::string& text) { return ShownJson(Json(text)); }

// As long as other requests wait.
constexpr double kDefaultPatience = 60.0, kMostPatience = 86400.0;  // seconds

LoadWish::Clock::time_point DeadlineOf(const Json& object) {
  double seconds = kDefaultPatience;
  if (const auto found = object.find("timeout_s"); found != object.end() && !found->is_null()) {
    const bool good = found->is_number() && *found >= 0.0 && *found <= kMostPatience;
    if (!good)
      throw ApiError(400,
                     fmt::format("timeout_s is {}; expected seconds from 0 to {:g}",
                                 ShownJson(*found), kMostPatience),
                     "timeout_s");
    seconds = found->get<double>();
  }
  return LoadWish::Clock::now() + std::chrono::duration_cast<LoadWish::Clock::duration>(
                                      std::chrono::duration<double>(seconds));
}

// {"model": "org/name@revision", "timeout_s": S}, and nothing else.
LoadWish WishOf(std::string_view body) {
  Json object;
  try {
    object = ParseJson(body, "the request");
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
  if (!object.is_object())
    throw ApiError(400, fmt::format("the request is {}; expected an object", ShownJson(object)));
  for (const auto& [name, value] : object.items())
    if (name != "model" && name != "timeout_s")
      throw ApiError(400, fmt::format("{} is no field of this request; expected model or timeout_s",
                                      Shown(name)));
  const auto model = object.find("model");
  if (model == object.end() || !model->is_string() || model->get_ref<const std::string&>().empty())
    throw ApiError(400,
                   fmt::format("model is {}; expected a checkpoint, \"org/name@revision\"",
                               model == object.end() ? "missing" : ShownJson(*model)),
                   "model");
  const auto& name = model->get_ref<const std::string&>();
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::ranges::any_of(name, is_control))
    throw ApiError(
        400, fmt::format("model is {}; expected a name without control characters", Shown(name)),
        "model");
  return {.checkpoint = name, .until = DeadlineOf(object)};
}

// What the ranks say names their files: that is for the log.
ApiError InClientsTerms(const std::string& checkpoint, const LoadOutcome& outcome) {
  const Error& error = outcome.error.value();
  const auto because = [&](int status, const char* why) {
    return ApiError(
        status,
        fmt::format("{} was not loaded: {}; the weights are those before", Shown(checkpoint), why),
        status == 400 ? "model" : "");
  };
  if (outcome.is_late)
    return because(503,
                   "the texts that had begun have not ended within timeout_s; try again, or with "
                   "more time");
  switch (error.code()) {
    case ExitCode::kBadInput:
      return because(400,
                     "its files are damaged or not alike on all hosts, the server's log says "
                     "more");
    case ExitCode::kEnvironment:
      return because(503,
                     "the ranks have no room for it beside the weights in use, or its files "
                     "cannot be read, the server's log says more");
    case ExitCode::kInterrupted: return because(503, "the server was stopped");
    case ExitCode::kRankFailure: return because(503, error.what());
    case ExitCode::kOk:
    case ExitCode::kInternal: break;
  }
  return because(500, "the server has failed, its log says why");
}

}  // namespace

LoadCall::~LoadCall() {
  const std::lock_guard lock(shared_->mutex);
  shared_->notify = nullptr;
}

bool LoadCall::ended() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->answer || shared_->error;
}

std::string LoadCall::Answer() const {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->error) throw ApiError(*shared_->error);
  return shared_->answer.value();
}

std::unique_ptr<LoadCall> LoadService::Begin(std::string_view body, std::function<void()> notify) {
  const LoadWish wish = WishOf(body);
  if (busy_->exchange(true))
    throw ApiError(409, "other weights are being loaded; try again when they are");
  // Until the outcome has come, whoever leaves.
  const std::shared_ptr<void> turn(nullptr, [busy = busy_](void*) { *busy = false; });
  const auto served =
      std::make_shared<const ServedCheckpoint>(parts_.checkpoints.Open(wish.checkpoint));
  const auto shared = std::make_shared<LoadCall::Shared>();
  shared->notify = std::move(notify);
  auto call = std::make_unique<LoadCall>(shared);
  parts_.loader.Load(wish, [on_loaded = parts_.on_loaded, served, shared,
                            turn = turn](const LoadOutcome& outcome) mutable {
    const std::string& name = served->checkpoint;
    if (outcome.error) {
      LogWarning("{} was not loaded: {}", Shown(name), outcome.error->what());
    } else {
      LogInfo("{} is loaded, read in {:.2f} s", Shown(name), outcome.seconds);
      on_loaded(*served);
    }
    turn.reset();
    if (outcome.error) return shared->End({}, InClientsTerms(name, outcome));
    shared->End(
        DumpJson(
            {{"model", served->name}, {"checkpoint", name}, {"read_seconds", outcome.seconds}}),
        {});
  });
  return call;
}

}  // namespace lockstep
