#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "batch/files/finished_output.h"
#include "batch/job_identity.h"
#include "core/files/locked_file.h"
#include "runtime/options/arguments.h"

namespace lockstep {

// The output of a batch job that may be killed at any moment and go on later. Beside out.jsonl:
//   out.jsonl.partial  finished records in the order of the input, and nothing else
//   out.jsonl.journal  first the job's identity, then "index<TAB>record" for each record that was
//                      finished before an earlier one
// Both are only appended to, a whole record at a write; what a kill cut off is a last line without
// its end, and is dropped. When all is done .partial is renamed to out.jsonl, with what made it
// beside it (finished_output.h), and the journal removed. Both files are locked by the process that
// writes them. Files without a record are removed with the object.
class Journal {
 public:
  static constexpr std::int64_t kAnyNumber = std::numeric_limits<std::int64_t>::max();

  // Opens or creates both files and takes up what they hold. records: how many there will be.
  // Throws BadInput when they belong to another job (the message names the difference) or are
  // damaged, EnvironmentError when another process has them or they cannot be written.
  Journal(const std::string& output, const JobIdentity& identity, Restart restart,
          std::int64_t records = kAnyNumber);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Whether there is one that this job has begun. Opens nothing to write.
  static bool IsBegun(const std::string& output, const JobIdentity& identity);

  // Records in .partial: those of index 0 to done() - 1.
  std::int64_t done() const { return done_; }
  // Whether there is a record already, so that nothing need be computed.
  bool Has(std::int64_t index) const { return index < done_ || out_of_order_.contains(index); }
  // Records that were there when it was opened; of all records those that are errors.
  std::int64_t resumed() const { return resumed_; }
  std::int64_t errors() const { return errors_; }

  // A record of one line, with its line end.
  void Put(std::int64_t index, std::string_view record);

  // All records are there: the output appears whole.
  void Commit();

  // The file of the records up to done().
  const std::filesystem::path& partial() const { return partial_->path(); }
  // Removes both files: something else has become of the records.
  void Discard();

 private:
  void Resume(Restart restart);
  void ResumeIdentity(std::string_view text);
  void ResumePartial();
  void ResumeRecord(std::string_view record);
  void ResumeOutOfOrder(std::string_view text);
  void CheckRecord(const LockedFile& file, std::int64_t index, std::string_view record) const;
  void PutEarly(std::int64_t index, std::string_view record);
  void AppendPartial(std::string_view record);
  void Flush();

  std::string output_;
  JobIdentity identity_;
  std::int64_t records_;
  std::unique_ptr<LockedFile> journal_;
  std::unique_ptr<LockedFile> partial_;
  std::int64_t header_bytes_ = 0;
  std::int64_t journal_bytes_ = 0;
  std::int64_t done_ = 0;
  std::int64_t resumed_ = 0;
  std::int64_t errors_ = 0;
  FinishedOutput finished_;  // of .partial
  std::map<std::int64_t, std::string> out_of_order_;
  bool ready_ = false;  // what was there has been taken up
  bool committed_ = false;
};

}  // namespace lockstep
