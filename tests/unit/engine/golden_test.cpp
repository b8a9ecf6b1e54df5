// The whole model on one rank against transformers, every golden case, both backends.
#include <gtest/gtest.h>

#include "comm/self_communicator.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/seeded_weights.h"

namespace lockstep {
namespace {

class Golden : public testing::TestWithParam<std::filesystem::path> {
 protected:
  void ExpectMatch(const GoldenSetup& setup) {
    SelfCommunicator self;
    ExpectGolden(LoadGoldenCase(GetParam()), self, setup);
  }
};

TEST_P(Golden, MatchesTransformersInFp32) { ExpectMatch({.threads = 2}); }

TEST_P(Golden, MatchesTransformersInFp32WhateverTheChunks) { ExpectMatch({.chunk = 13}); }

TEST_P(Golden, MatchesTransformersInFp32OnTheReference) {
  ExpectMatch({.backend = BackendKind::kReference});
}

TEST_P(Golden, IsAsCloseInBf16AsTransformersIs) { ExpectMatch({.dtype = WeightFormat::kBF16}); }

TEST_P(Golden, IsAsCloseInBf16OnTheReference) {
  ExpectMatch({.backend = BackendKind::kReference, .dtype = WeightFormat::kBF16});
}

INSTANTIATE_TEST_SUITE_P(Transformers, Golden, testing::ValuesIn(GoldenCases()),
                         [](const auto& one) { return one.param.filename().string(); });

}  // namespace
}  // namespace lockstep
