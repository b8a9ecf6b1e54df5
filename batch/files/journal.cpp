#include "batch/files/journal.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/jobs/line_call.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "core/json.h"

namespace lockstep {
namespace {

constexpr const char* kFormat = "lockstep_journal";
constexpr int kVersion = 2;
// Larger journals are emptied whenever all they hold is in .partial.
constexpr std::int64_t kRoomyJournal = 1 << 20;

std::string JournalPath(const std::string& output) { return output + ".journal"; }

std::string Header(const JobIdentity& identity) {
  nlohmann::ordered_json header = {{kFormat, kVersion}};
  header.update(ToJson(identity));
  return header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string_view FirstLine(std::string_view text) { return text.substr(0, text.find('\n') + 1); }

[[noreturn]] void ThrowDamaged(const std::filesystem::path& path, std::string_view why) {
  throw BadInput("{}: is damaged: {}; give --restart to begin again", path.string(), why);
}

// Why a journal with another first line cannot be gone on with.
[[noreturn]] void ThrowOther(const std::filesystem::path& path, std::string_view found,
                             const JobIdentity& identity) {
  Json before = Json::parse(found, nullptr, false);
  if (!before.is_object() || !before.contains(kFormat))
    throw BadInput("{}: is no journal of this job; give --restart to begin again", path.string());
  if (before[kFormat] != kVersion)
    throw BadInput(
        "{}: was written by another version of lockstep: its format is {}, and this one's is {}; "
        "go on with that version, or give --restart to begin again",
        path.string(), DumpJson(before[kFormat]), kVersion);
  before.erase(kFormat);
  const auto difference = Difference(identity, before);
  if (!difference) ThrowDamaged(path, "its first line is not as it is written");
  throw BadInput(
      "{}: belongs to a job with {}; go on with what it was, or give --restart to begin again",
      path.string(), *difference);
}

}  // namespace

bool Journal::IsBegun(const std::string& output, const JobIdentity& identity) {
  const std::string path = JournalPath(WithoutLinks(output));
  return IsRegularFile(path) && FirstLine(ReadFile(path)) == Header(identity);
}

Journal::Journal(const std::string& output, const JobIdentity& identity, Restart restart,
                 std::int64_t records)
    : output_(WithoutLinks(output)), identity_(identity), records_(records) {
  CheckReplaceable(output_);
  const std::string partial = output_ + ".partial";
  journal_ = std::make_unique<LockedFile>(JournalPath(output_), JournalPath(output_));
  partial_ = std::make_unique<LockedFile>(partial, partial);
  Resume(restart);
}

void Journal::Resume(Restart restart) {
  if (restart == Restart::kFromTheBeginning) {
    journal_->Truncate(0);
    partial_->Truncate(0);
  }
  const std::string file = ReadFile(journal_->path());
  const std::string_view text = std::string_view(file).substr(0, file.rfind('\n') + 1);
  ResumeIdentity(text);
  ResumePartial();
  ResumeOutOfOrder(text);
  if (text.size() < file.size()) journal_->Truncate(journal_bytes_);  // cut off by a kill
  resumed_ = done_ + static_cast<std::int64_t>(out_of_order_.size());
  ready_ = true;
  Flush();
}

Journal::~Journal() {
  if (!committed_ && ready_ && done_ == 0 && out_of_order_.empty()) Discard();  // nothing to keep
}

void Journal::Discard() {
  committed_ = true;
  ::unlink(partial_->path().c_str());
  ::unlink(journal_->path().c_str());
}

void Journal::ResumeIdentity(std::string_view text) {
  const std::string header = Header(identity_);
  header_bytes_ = static_cast<std::int64_t>(header.size());
  journal_bytes_ = static_cast<std::int64_t>(text.size());
  if (FirstLine(text) == header) return;
  if (!text.empty()) ThrowOther(journal_->path(), FirstLine(text), identity_);
  if (!InputFile(partial_->path()).ReadBlock().empty())
    ThrowDamaged(journal_->path(),
                 fmt::format("it does not say what job {} is of", partial_->path().string()));
  journal_->Truncate(0);
  journal_->Write(header);
  journal_bytes_ = header_bytes_;
}

// Records that nobody has damaged: a power cut may leave zeros in a file, a full disk any gap.
void Journal::CheckRecord(const LockedFile& file, std::int64_t index,
                          std::string_view record) const {
  if (index >= records_)
    ThrowDamaged(file.path(),
                 fmt::format("it has a record {}, and the input has {} lines", index, records_));
  if (!record.starts_with("{\"id\":") || !Json::accept(record))
    ThrowDamaged(file.path(), fmt::format("record {} is no record", index));
}

void Journal::ResumePartial() {
  InputFile file(partial_->path());
  std::string record;
  for (auto block = file.ReadBlock(); !block.empty(); block = file.ReadBlock())
    while (!block.empty()) {
      const std::string_view part = block.substr(0, block.find('\n') + 1);
      record += part.empty() ? block : part;
      block.remove_prefix(part.empty() ? block.size() : part.size());
      if (!part.empty()) ResumeRecord(std::exchange(record, {}));
    }
  partial_->Truncate(finished_.bytes);  // a last line without its end was cut off by a kill
}

void Journal::ResumeRecord(std::string_view record) {
  Heartbeat();
  CheckRecord(*partial_, done_, record);
  if (IsErrorRecord(record)) ++errors_;
  finished_.Add(record);
  ++done_;
}

void Journal::ResumeOutOfOrder(std::string_view text) {
  text.remove_prefix(
      static_cast<std::size_t>(std::min(static_cast<std::int64_t>(text.size()), header_bytes_)));
  while (!text.empty()) {
    const std::string_view line = FirstLine(text);
    text.remove_prefix(line.size());
    std::int64_t index = -1;
    const auto tab = line.find('\t');
    const auto read = std::from_chars(line.data(), line.data() + std::min(tab, line.size()), index);
    if (tab == std::string_view::npos || read.ec != std::errc() || read.ptr != line.data() + tab ||
        index < 0)
      ThrowDamaged(journal_->path(), "a line is no record");
    const std::string_view record = line.substr(tab + 1);
    Heartbeat();
    CheckRecord(*journal_, index, record);
    if (Has(index)) continue;
    out_of_order_[index] = record;
    if (IsErrorRecord(record)) ++errors_;
  }
}

void Journal::AppendPartial(std::string_view record) {
  partial_->Write(record);
  finished_.Add(record);
  ++done_;
}

void Journal::PutEarly(std::int64_t index, std::string_view record) {
  const std::string line = fmt::format("{}\t{}", index, record);
  journal_->Write(line);
  journal_bytes_ += static_cast<std::int64_t>(line.size());
  out_of_order_[index] = record;
}

void Journal::Put(std::int64_t index, std::string_view record) {
  LOCKSTEP_CHECK(!Has(index), "record {} twice", index);
  if (IsErrorRecord(record)) ++errors_;
  try {
    if (index == done_)
      AppendPartial(record);
    else
      PutEarly(index, record);
    Flush();
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("{}; what is finished is kept: make room and run the same command "
                            "again, it goes on from there",
                            error.what()));
  }
}

// Early records whose turn has come.
void Journal::Flush() {
  while (!out_of_order_.empty() && out_of_order_.begin()->first == done_) {
    AppendPartial(out_of_order_.begin()->second);
    out_of_order_.erase(out_of_order_.begin());
  }
  if (!out_of_order_.empty() || journal_bytes_ < kRoomyJournal) return;
  journal_->Truncate(header_bytes_);
  journal_bytes_ = header_bytes_;
}

void Journal::Commit() {
  LOCKSTEP_CHECK(out_of_order_.empty(), "{} records wait for record {}", out_of_order_.size(),
                 done_);
  partial_->Flush();
  finished_.lines = done_;
  finished_.errors = errors_;
  RecordFinished(output_, identity_, finished_);
  Replace(partial_->path(), output_);
  committed_ = true;
  ::unlink(journal_->path().c_str());
}

}  // namespace lockstep
