#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace lockstep {

// The whole of a file, or of standard input for "-". Standard input can be read again afterwards,
// by this process and by those it starts: the ranks read what their parent has checked.
std::string ReadInput(const std::string& input);

// "in.jsonl", or "standard input": what messages call it.
std::string InputName(const std::string& input);

// Whether an output is a file, which can appear whole; not standard output, a pipe or a device.
bool AppearsWhole(const std::string& output);

// Throws EnvironmentError when Output could not be written, before there is anything to write.
void CheckWritable(const std::string& output);

// Throws BadInput when a job would write over the file that it reads.
void RefuseSameFile(const std::string& input, const std::string& output);

// Where results go: a file that appears whole at Commit() or not at all; or, as they come,
// standard output ("-"), a device or a pipe.
class Output {
 public:
  // Throws EnvironmentError when it cannot be written.
  explicit Output(const std::string& output);

  void Write(std::string_view text);
  void Commit();

 private:
  std::string name_;
  std::unique_ptr<AtomicFile> file_;
  std::optional<std::ofstream> device_;
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

// Call first of all. Gives the numbers of standard streams that are closed to files that fail like
// closed ones, so that nothing else gets them.
void OccupyStandardStreams();

// Writes to standard output at once. Throws EnvironmentError when it is closed or full.
void WriteStandardOutput(std::string_view text);

}  // namespace lockstep
