#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launcher/config/arguments.h"

namespace lockstep {

// What a batch job was asked to do, as (name, value) pairs: a job goes on only where all are the
// same, because only then its output is that of an uninterrupted run.
using JobIdentity = std::vector<std::pair<std::string, std::string>>;

// The output of a batch job that may be killed at any moment and go on later. Beside out.jsonl:
//   out.jsonl.partial  finished records in the order of the input, and nothing else
//   out.jsonl.journal  first the job's identity, then "index<TAB>record" for each record that was
//                      finished before an earlier one
// Both are only appended to, a whole record at a write; what a kill cut off is a last line without
// its end, and is dropped. When all is done .partial is renamed to out.jsonl and the journal
// removed. The journal is locked by the process that writes it. Files without a record are removed
// with the object.
class Journal {
 public:
  // Opens or creates both files and takes up what they hold. Throws BadInput when they belong to
  // another job (the message names the difference), EnvironmentError when another process has
  // them or they cannot be written.
  Journal(std::string output, const JobIdentity& identity, Restart restart);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Records in .partial: those of index 0 to done() - 1.
  std::int64_t done() const { return done_; }
  // Whether there is a record already, so that nothing need be computed.
  bool Has(std::int64_t index) const { return index < done_ || early_.contains(index); }
  // Records that were there when it was opened; of all records those that are errors.
  std::int64_t taken_up() const { return taken_up_; }
  std::int64_t errors() const { return errors_; }

  // A record of one line, with its line end.
  void Put(std::int64_t index, std::string_view record);

  // All records are there: the output appears whole.
  void Commit();

 private:
  void Lock();
  void Close();
  void TakeUp(const JobIdentity& identity, Restart restart);
  void ReadIdentity(const JobIdentity& identity, std::string_view text);
  void TakeUpPartial();
  void TakeUpEarly(std::string_view text);
  void Write(int file, const std::string& path, std::string_view text) const;
  void AppendPartial(std::string_view record);
  void Flush();

  std::string output_;
  std::string partial_path_;
  std::string journal_path_;
  int partial_ = -1;
  int journal_ = -1;
  std::int64_t header_bytes_ = 0;
  std::int64_t journal_bytes_ = 0;
  std::int64_t done_ = 0;
  std::int64_t taken_up_ = 0;
  std::int64_t errors_ = 0;
  std::map<std::int64_t, std::string> early_;
  bool ready_ = false;  // what was there has been taken up
  bool committed_ = false;
};

// Whether a record says that its line could not be used.
bool IsErrorRecord(std::string_view record);

}  // namespace lockstep
