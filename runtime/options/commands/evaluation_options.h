#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// What `lockstep eval` evaluates, and on what.
struct EvaluationOptions {
  std::vector<std::string> models;     // one after the other on the same ranks
  std::vector<std::string> revisions;  // of each of them; none: what the name says
  std::vector<std::string> tasks;      // names of evaluation/tasks/tasks.h
  std::string data;                    // the folder with their documents
  std::int64_t num_fewshot = 0;        // solved examples before each question
  std::optional<std::int64_t> limit;   // documents of each task; nothing: all
  std::string perplexity;              // a file of text; empty: none
  std::string samples;                 // a file for the answers to each document; empty: none
  std::string html;                    // a file for the report; empty: none
  std::string published;               // a file or folder with scores of others; empty: none

  // How many models are evaluated, each revision being one.
  std::size_t checkpoints() const {
    return models.size() * (revisions.empty() ? 1 : revisions.size());
  }
};

}  // namespace lockstep
