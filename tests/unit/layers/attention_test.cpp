// The cpu backend's attention over pages: against the reference, and in chunks.
#include <cstring>

#include "backend_fixture.h"
#include "layers/rotary_table.h"

namespace lockstep {
namespace {

class AttentionOperation : public BackendOperation {
 protected:
  std::unique_ptr<Device> host_ = MakeBackend(BackendKind::kReference, 1).device;
};

std::vector<BackendCase> AttentionCases() {
  std::vector<BackendCase> cases = BackendCases();
  cases.push_back({"int8_cache", WeightFormat::kBF16, 2, 0.0, 4e-2, DType::kI8});
  return cases;
}

// Sequences of random lengths fed in random chunks, pages in random order.
TEST_P(AttentionOperation, AttentionMatchesTheReference) {
  constexpr std::int64_t kPageTokens = 32;
  for (int round = 0; round < 24; ++round) {
    const std::int64_t heads = random_.Int(1, 5), d_head = 4 * random_.Int(1, 24);
    ModelSpec spec;
    spec.rotary_dims = 2 * random_.Int(0, d_head / 2);
    spec.context_tokens = 400;
    const RotaryTable rotary = MakeRotaryTable(spec, *host_);
    const Tensor expected_cache =
        random_.Fill(GetParam().reference_cache(), {24, 2, heads * kPageTokens, d_head});
    // What the pages held before must not matter.
    const Tensor found_cache = Tensor::OnHost(
        GetParam().cache(),
        {24, 2, heads * kPageTokens, tested_->CacheWidth(d_head, GetParam().cache())});
    std::memset(found_cache.view().raw(), 0xff, found_cache.view().bytes());
    std::vector<SequenceRows> sequences{
        {.start = 0, .page_table = {7, 2, 11, 9, 8, 10, 1, 4, 6, 12, 13, 20}},
        {.start = 0, .page_table = {0, 5, 3, 14, 15, 16, 17, 18, 19, 21, 22, 23}}};
    const auto layout = static_cast<QkvLayout>(random_.Int(0, 1));
    const auto kind = static_cast<RotaryKind>(random_.Int(0, 1));
    const float factor = round % 2 == 0 ? 1.0f : 0.25f;
    for (int step = 0; step < 4; ++step) {
      std::int64_t rows = 0;
      for (SequenceRows& sequence : sequences) {
        sequence.start += sequence.token_count;
        sequence.first_row = rows;
        sequence.token_count = random_.Int(0, 9) == 0 ? random_.Int(0, 120) : random_.Int(0, 40);
        rows += sequence.token_count;
      }
      const Tensor qkv = random_.Fill(DType::kF32, {rows, 3 * heads * d_head}, 2.0f);
      const Tensor expected = Tensor::OnHost(DType::kF32, {rows, heads * d_head});
      const Tensor found = Tensor::OnHost(DType::kF32, {rows, heads * d_head});
      const auto run = [&](Ops& backend, const Tensor& cache, const Tensor& y) {
        const Tensor own = Copy(qkv);
        backend.Attention({.qkv = own.view(),
                           .layout = layout,
                           .rotary = {kind, spec.rotary_dims, rotary.cos.view(), rotary.sin.view()},
                           .score_factor = factor,
                           .sequences = sequences,
                           .cache = {cache.view(), heads, kPageTokens, d_head},
                           .y = y.view()});
      };
      run(*reference_, expected_cache, expected);
      run(*tested_, found_cache, found);
      ExpectNear(found.view(), expected.view(), GetParam().attention_tolerance);
    }
  }
}

// One token at a time, in chunks, and whole: the same bits in every row.
TEST_P(AttentionOperation, AttentionDoesNotDependOnTheChunks) {
  // More heads than are computed together, of one row and of several.
  constexpr std::int64_t kPageTokens = 32, kTokens = 300, kHeads = 19, kHead = 80;
  ModelSpec spec;
  spec.rotary_dims = 20;
  spec.context_tokens = kTokens;
  const RotaryTable rotary = MakeRotaryTable(spec, *host_);
  const Tensor qkv = random_.Fill(DType::kF32, {kTokens, 3 * kHeads * kHead}, 2.0f);
  const auto run = [&](std::int64_t chunk) {
    const Tensor own = Copy(qkv);
    const Tensor cache = Tensor::OnHost(
        GetParam().cache(),
        {10, 2, kHeads * kPageTokens, tested_->CacheWidth(kHead, GetParam().cache())});
    std::memset(cache.view().raw(), 0xff, cache.view().bytes());
    Tensor y = Tensor::OnHost(DType::kF32, {kTokens, kHeads * kHead});
    for (std::int64_t start = 0; start < kTokens; start += chunk) {
      const std::int64_t count = std::min(chunk, kTokens - start);
      const std::vector<SequenceRows> sequences{{.first_row = 0,
                                                 .token_count = count,
                                                 .start = start,
                                                 .page_table = {3, 1, 4, 0, 5, 9, 2, 6, 8, 7}}};
      tested_->Attention(
          {.qkv = own.view().Rows(start, count),
           .rotary = {.dims = 20, .cos = rotary.cos.view(), .sin = rotary.sin.view()},
           .sequences = sequences,
           .cache = {cache.view(), kHeads, kPageTokens, kHead},
           .y = y.view().Rows(start, count)});
    }
    return y;
  };
  const Tensor whole = run(kTokens);
  for (const std::int64_t chunk : {1, 7, 16, 100, 299}) {
    const Tensor pieces = run(chunk);
    for (std::int64_t i = 0; i < kTokens * kHeads * kHead; ++i)
      ASSERT_EQ(pieces.view().data<float>()[i], whole.view().data<float>()[i])
          << "chunks of " << chunk << ", token " << i / (kHeads * kHead);
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionOperation, testing::ValuesIn(AttentionCases()), CaseName);

}  // namespace
}  // namespace lockstep
