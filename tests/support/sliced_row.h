#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/sampling/token_choice.h"
#include "layers/kernels/backend.h"
#include "layers/rows/answer_rows.h"

namespace lockstep {

// One row of logits as ranks hold it after a step, each a slice of the vocabulary, and what a
// request's choice makes of it. No communicator: the ranks answer one after the other.
class SlicedRow {
 public:
  SlicedRow(std::shared_ptr<Backend> backend, std::vector<float> logits, std::int64_t ranks)
      : backend_(std::move(backend)), logits_(std::move(logits)), ranks_(ranks) {}

  // Ids from here on are padding.
  void set_limit(std::int64_t limit) { limit_ = limit; }
  // Questions of the choices so far.
  std::int64_t questions() const { return questions_; }

  TokenEvent Choose(const Request& request, const LogitControls& controls, std::int64_t position) {
    const std::vector<Slice> slices = Slices();
    TokenChoice choice(request, controls, position);
    for (FirstQuestions first = FirstQuestions::kYes;; first = FirstQuestions::kNo) {
      ++questions_;
      const std::span<const RowQuestion> questions(&choice.question(), 1);
      std::vector<std::vector<std::byte>> answers;
      for (const Slice& slice : slices)
        answers.push_back(AnswerRows({.device = *backend_->device,
                                      .ops = *backend_->ops,
                                      .logits = slice.logits.view(),
                                      .vocab = slice.vocab,
                                      .leaves = slice.leaves,
                                      .vocab_limit = limit_ < 0 ? std::ssize(logits_) : limit_},
                                     questions, first));
      if (choice.Take(MergeAnswers(answers, questions, first).front())) return choice.Event();
    }
  }

 private:
  struct Slice {
    Tensor logits;
    Range vocab;
    std::vector<Range> leaves;
  };

  // Leaves are eighths of the vocabulary where the number of ranks divides eight.
  std::vector<Slice> Slices() const {
    const std::int64_t leaves = 8 % ranks_ == 0 ? 8 : ranks_, each = leaves / ranks_;
    const auto bound = [&](std::int64_t leaf) { return std::ssize(logits_) * leaf / leaves; };
    std::vector<Slice> slices;
    for (std::int64_t rank = 0; rank < ranks_; ++rank) {
      Slice& slice = slices.emplace_back();
      slice.vocab = {bound(rank * each), bound((rank + 1) * each)};
      for (std::int64_t leaf = rank * each; leaf < (rank + 1) * each; ++leaf)
        slice.leaves.push_back({bound(leaf), bound(leaf + 1)});
      const Tensor host = Tensor::OnHost(DType::kF32, {1, slice.vocab.size()});
      std::copy_n(logits_.begin() + slice.vocab.begin, slice.vocab.size(),
                  host.view().data<float>());
      slice.logits = backend_->device->Allocate(DType::kF32, {1, slice.vocab.size()});
      backend_->device->Upload(host.view(), slice.logits.view());
    }
    return slices;
  }

  std::shared_ptr<Backend> backend_;
  std::vector<float> logits_;
  std::int64_t ranks_;
  std::int64_t limit_ = -1;
  std::int64_t questions_ = 0;
};

}  // namespace lockstep
