#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "evaluation/numbers/python_random.h"
#include "evaluation/tasks/tasks.h"

namespace lockstep {

// The examples that stand before questions, drawn as lm-evaluation-harness draws them with its
// seed: other ones for each question, in the order of the questions.
class FewShot {
 public:
  // The pool is not empty and stays the caller's.
  FewShot(const EvaluationTask& task, const std::vector<Document>& pool, std::size_t shots);

  // What comes before the next question, whose document this is. Throws BadInput where the pool is
  // too small.
  std::string Next(const Document& document);

 private:
  std::vector<std::size_t> Draw(const std::vector<std::size_t>& pool, std::size_t wanted);

  const EvaluationTask& task_;
  const std::vector<Document>& pool_;
  std::size_t shots_;
  PythonRandom random_;
};

}  // namespace lockstep
