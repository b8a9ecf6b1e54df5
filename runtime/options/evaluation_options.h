#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// What `lockstep eval` evaluates, and on what.
struct EvaluationOptions {
  std::vector<std::string> models;    // one after the other on the same ranks
  std::vector<std::string> tasks;     // names of evaluation/tasks/tasks.h
  std::string data;                   // the folder with their documents
  std::int64_t num_fewshot = 0;       // solved examples before each question
  std::optional<std::int64_t> limit;  // documents of each task; nothing: all
  std::string perplexity;             // a file of text; empty: none
  std::string samples;                // a file for the answers to each document; empty: none
};

}  // namespace lockstep
