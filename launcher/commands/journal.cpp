#include "launcher/commands/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace lockstep {
namespace {

constexpr const char* kFormat = "lockstep_journal";
// Larger journals are emptied whenever all they hold is in .partial.
constexpr std::int64_t kRoomyJournal = 1 << 20;

std::string LastError() { return std::generic_category().message(errno); }

int Open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0)
    throw EnvironmentError(
        "{}: cannot be written: {}; check that the folder exists and is writable", path,
        LastError());
  return file;
}

// Drops what a kill cut off; returns the size that is left.
std::int64_t DropTornLine(int file, const std::string& path, std::string_view text) {
  const auto end = static_cast<off_t>(text.rfind('\n') + 1);  // 0 when there is none
  if (static_cast<std::size_t>(end) < text.size() && ::ftruncate(file, end) != 0)
    throw EnvironmentError("{}: cannot be shortened: {}", path, LastError());
  return end;
}

std::string Header(const JobIdentity& identity) {
  nlohmann::ordered_json header = {{kFormat, 1}};
  for (const auto& [name, value] : identity) header[name] = value;
  return header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string Shown(const std::string& value) {
  return value.size() > 80 ? value.substr(0, 77) + "..." : value;
}

}  // namespace

bool IsErrorRecord(std::string_view record) {
  // Within a text the quotes would have backslashes before them.
  return record.find(",\"error\":") != std::string_view::npos;
}

Journal::Journal(std::string output, const JobIdentity& identity, Restart restart)
    : output_(std::move(output)),
      partial_path_(output_ + ".partial"),
      journal_path_(output_ + ".journal") {
  if (std::filesystem::is_directory(output_))
    throw EnvironmentError("{}: is a folder; expected a file to write", output_);
  try {
    Lock();
    partial_ = Open(partial_path_);
    TakeUp(identity, restart);
  } catch (...) {
    Close();
    throw;
  }
}

void Journal::TakeUp(const JobIdentity& identity, Restart restart) {
  if (restart == Restart::kFromTheBeginning)
    if (::ftruncate(journal_, 0) != 0 || ::ftruncate(partial_, 0) != 0)
      throw EnvironmentError("{}: cannot be emptied: {}", output_, LastError());
  const std::string text = ReadFile(journal_path_);
  journal_bytes_ = DropTornLine(journal_, journal_path_, text);
  ReadIdentity(identity,
               std::string_view(text).substr(0, static_cast<std::size_t>(journal_bytes_)));
  TakeUpPartial();
  TakeUpEarly(std::string_view(text).substr(0, static_cast<std::size_t>(journal_bytes_)));
  taken_up_ = done_ + static_cast<std::int64_t>(early_.size());
  ready_ = true;
  Flush();
}

Journal::~Journal() {
  if (!committed_ && ready_ && done_ == 0 && early_.empty()) {  // nothing to keep
    ::unlink(partial_path_.c_str());
    ::unlink(journal_path_.c_str());
  }
  Close();
}

void Journal::Close() {
  for (int* file : {&partial_, &journal_}) {
    if (*file >= 0) ::close(*file);
    *file = -1;
  }
}

// Opens the journal and makes sure that nobody else has it.
void Journal::Lock() {
  // Ranks of a job whose launcher was killed are still there for a moment.
  constexpr int kTries = 150;
  for (int i = 0; i < kTries; ++i) {
    journal_ = Open(journal_path_);
    struct stat mine {
    }, there{};
    if (::flock(journal_, LOCK_EX | LOCK_NB) == 0) {
      // Who had it before may have removed it: then this is a file without a name.
      const bool same = ::fstat(journal_, &mine) == 0 &&
                        ::stat(journal_path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino;
      if (same) return;
    }
    Close();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw EnvironmentError("{}: another process is writing this output; wait for it to end", output_);
}

void Journal::ReadIdentity(const JobIdentity& identity, std::string_view text) {
  const std::string header = Header(identity);
  header_bytes_ = static_cast<std::int64_t>(header.size());
  if (text.empty()) {
    // Whatever is in .partial belongs to no job.
    if (::ftruncate(partial_, 0) != 0)
      throw EnvironmentError("{}: cannot be emptied: {}", partial_path_, LastError());
    Write(journal_, journal_path_, header);
    journal_bytes_ = header_bytes_;
    return;
  }
  const std::string found(text.substr(0, text.find('\n') + 1));
  if (found == header) return;
  const Json before = Json::parse(found, nullptr, false);
  if (before.is_object() && before.contains(kFormat))
    for (const auto& [name, value] : identity) {
      const auto old = before.find(name);
      const std::string was = old == before.end() ? "absent" : old->get<std::string>();
      if (was != value)
        throw BadInput(
            "{}: belongs to a job with another {}: it was {} and is {} now; go on with what it "
            "was, or give --restart to begin again",
            journal_path_, name, Shown(was), Shown(value));
    }
  throw BadInput("{}: is no journal of this job; give --restart to begin again", journal_path_);
}

void Journal::TakeUpPartial() {
  std::ifstream stream(partial_path_, std::ios::binary);
  off_t whole = 0;
  for (std::string line; std::getline(stream, line) && !stream.eof(); ++done_) {
    if (IsErrorRecord(line)) ++errors_;
    whole += static_cast<off_t>(line.size() + 1);
  }
  if (::ftruncate(partial_, whole) != 0)  // a last line without its end was cut off by a kill
    throw EnvironmentError("{}: cannot be shortened: {}", partial_path_, LastError());
}

void Journal::TakeUpEarly(std::string_view text) {
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(header_bytes_)));
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    text.remove_prefix(line.size());
    std::int64_t index = -1;
    const auto tab = line.find('\t');
    const auto read = std::from_chars(line.data(), line.data() + std::min(tab, line.size()), index);
    if (tab == std::string_view::npos || read.ec != std::errc() || index < 0)
      throw BadInput("{}: is damaged; give --restart to begin again", journal_path_);
    if (Has(index)) continue;
    early_[index] = line.substr(tab + 1);
    if (IsErrorRecord(line)) ++errors_;
  }
}

void Journal::Write(int file, const std::string& path, std::string_view text) const {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      throw EnvironmentError(
          "{}: writing failed: {}; what is finished is kept: make room and run the same command "
          "again, it goes on from there",
          path, LastError());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Journal::AppendPartial(std::string_view record) {
  Write(partial_, partial_path_, record);
  ++done_;
}

void Journal::Put(std::int64_t index, std::string_view record) {
  LOCKSTEP_CHECK(!Has(index), "record {} twice", index);
  if (IsErrorRecord(record)) ++errors_;
  if (index == done_) {
    AppendPartial(record);
    return Flush();
  }
  const std::string line = fmt::format("{}\t{}", index, record);
  Write(journal_, journal_path_, line);
  journal_bytes_ += static_cast<std::int64_t>(line.size());
  early_[index] = record;
}

// Early records whose turn has come.
void Journal::Flush() {
  while (!early_.empty() && early_.begin()->first == done_) {
    AppendPartial(early_.begin()->second);
    early_.erase(early_.begin());
  }
  if (!early_.empty() || journal_bytes_ < kRoomyJournal) return;
  if (::ftruncate(journal_, header_bytes_) == 0) journal_bytes_ = header_bytes_;
}

void Journal::Commit() {
  LOCKSTEP_CHECK(early_.empty(), "{} records wait for record {}", early_.size(), done_);
  if (::fsync(partial_) != 0)
    throw EnvironmentError("{}: writing failed: {}; what is finished is kept", partial_path_,
                           LastError());
  std::error_code code;
  std::filesystem::rename(partial_path_, output_, code);
  if (code) throw EnvironmentError("{}: cannot be written: {}", output_, code.message());
  committed_ = true;
  std::filesystem::remove(journal_path_, code);
}

}  // namespace lockstep
