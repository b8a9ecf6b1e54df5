#pragma once

#include <string>

#include "runtime/options/commands/load_options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

// What the command line of `bench serve` says beside the configuration's options.
class LoadFlags {
 public:
  void Add(CLI::App& command);

  // Throws BadInput for values out of range and flags that contradict.
  LoadOptions Read() const;

 private:
  void AddLoad(CLI::App& command);
  void AddRequests(CLI::App& command);
  void AddResults(CLI::App& command);
  void ReadTimes(LoadOptions& load) const;
  void ReadRequests(LoadOptions& load) const;
  void ReadTarget(LoadOptions& load) const;

  std::string rate_, burstiness_, concurrency_, replay_;
  std::string requests_, seconds_, warmup_, rounds_, timeout_;
  std::string input_len_, output_len_, prompt_ids_;
  std::string goodput_, attainment_, percentiles_, json_, csv_, html_;
  bool text_ = false;
  bool chat_ = false;
  bool stops_at_eos_ = false;
  bool find_rate_ = false;
};

// The command line of `bench compare`.
class CompareFlags {
 public:
  void Add(CLI::App& command);

  // Throws BadInput where a file is missing.
  CompareOptions Read() const;

 private:
  std::string before_, after_;
  bool fails_ = false;
};

}  // namespace lockstep
