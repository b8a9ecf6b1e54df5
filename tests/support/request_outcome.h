#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "serving/request_sink.h"

namespace lockstep {

// What became of one request, for another thread to wait for.
class RequestOutcome : public RequestSink {
 public:
  void OnText(std::size_t sample, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(ended_) << "text after the last call";
    streamed_[sample] += text;
    changed_.notify_all();
  }
  void OnResult(TextResult result) override {
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
    End();
  }
  void OnError(const Error& error) override {
    const std::lock_guard lock(mutex_);
    error_ = error;
    End();
  }

  void WaitForText() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || !streamed_.empty(); });
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
  }

  bool ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  std::map<std::size_t, std::string> streamed() const {
    const std::lock_guard lock(mutex_);
    return streamed_;
  }
  std::string error() const {
    const std::lock_guard lock(mutex_);
    return error_ ? error_->what() : "";
  }
  ExitCode code() const {
    const std::lock_guard lock(mutex_);
    return error_ ? error_->code() : ExitCode::kOk;
  }
  // The texts of its samples, in their order; none unless it has a result.
  std::map<std::size_t, std::string> texts() const {
    const std::lock_guard lock(mutex_);
    std::map<std::size_t, std::string> texts;
    for (const TextSample& sample : result_.samples) texts.emplace(texts.size(), sample.text);
    return texts;
  }

 private:
  void End() {
    EXPECT_FALSE(ended_) << "a second last call";
    ended_ = true;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  TextResult result_;
  std::optional<Error> error_;
  std::map<std::size_t, std::string> streamed_;  // of each sample that has text
};

}  // namespace lockstep
