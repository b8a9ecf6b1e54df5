#include "batch/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "api/jobs/line_call.h"
#include "batch/files/journal.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "runtime/standard_streams.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

// Nonblocking, and so refused as long as a pipe has no reader.
int OpenDevice(const std::string& output) {
  for (;;) {
    const int file = ::open(output.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (file >= 0) {
      ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) & ~O_NONBLOCK);
      return file;
    }
    if (errno != ENXIO && errno != EINTR)
      throw EnvironmentError("{}: cannot be written: {}", output, LastError());
    if (InterruptRequested()) throw Error(ExitCode::kInterrupted, "interrupted");
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

void RefuseSameFile(const std::string& input, const std::string& output) {
  if (input == "-" || !IsAtomicTarget(output)) return;
  const std::string place = WithoutLinks(output);
  for (const std::string beside :
       {"", ".partial", ".journal", ".writing", ".done", ".done.writing"}) {
    std::error_code ignored;  // there is none
    if (std::filesystem::equivalent(input, place + beside, ignored))
      throw BadInput("{}: is the input, which the output would replace; give --output another name",
                     beside.empty() ? output : place + beside);
  }
}

Output::Output(const std::string& output, JobIdentity job) : name_(output), job_(std::move(job)) {
  if (output == "-") return;
  if (!IsAtomicTarget(output))
    device_ = OpenDevice(output);
  else
    file_ = std::make_unique<AtomicFile>(output);
}

Output::~Output() {
  if (device_ >= 0) ::close(device_);
}

void Output::Write(std::string_view text) {
  if (device_ >= 0) return WriteDescriptor(device_, text, fmt::format("{}: writing failed", name_));
  if (file_ == nullptr) return WriteStandardOutput(text);
  finished_.Add(text);
  ++finished_.lines;
  if (IsErrorRecord(text)) ++finished_.errors;
  file_->Write(text);
}

void Output::Commit() {
  if (file_ == nullptr) return;
  if (!job_.empty()) RecordFinished(name_, job_, finished_);
  file_->Commit();
}

void OrderedOutput::Put(std::size_t index, std::string line) {
  waiting_[index] = std::move(line);
  for (; !waiting_.empty() && waiting_.begin()->first == next_; ++next_) {
    output_.Write(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
}

}  // namespace lockstep
