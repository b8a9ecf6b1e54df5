#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "batch/files/finished_output.h"
#include "batch/job_identity.h"
#include "core/files/file.h"
#include "core/files/output_target.h"

namespace lockstep {

// Throws BadInput when a job would write over the file that it reads: the output itself, or what
// stands beside it meanwhile.
void RefuseSameFile(const std::string& input, const std::string& output);

// Where results go: a file that appears whole at Commit() or not at all; or, as they come,
// standard output ("-"), a device or a pipe.
class Output {
 public:
  // job: recorded beside a file, see finished_output.h; empty: nothing is. Throws EnvironmentError
  // when it cannot be written. A pipe with a name is waited for until it has a reader.
  explicit Output(const std::string& output, JobIdentity job = {});
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Whole lines, where there are lines.
  void Write(std::string_view text);
  void Commit();

 private:
  std::string name_;
  JobIdentity job_;
  std::unique_ptr<AtomicFile> file_;
  FinishedOutput finished_;
  int device_ = -1;
};

// Passes results on in the order of their requests, whatever order they come in.
class OrderedOutput {
 public:
  explicit OrderedOutput(Output& output) : output_(output) {}

  void Put(std::size_t index, std::string line);

 private:
  Output& output_;
  std::map<std::size_t, std::string> waiting_;
  std::size_t next_ = 0;
};

}  // namespace lockstep
