// The all-reduce that adds to the residual and takes the norms in the same launch: the bits of the
// all-reduce and of the residual's kernel, one after the other.
#include "layers/kernels/cuda/peers/peer_residual.h"

#include "core/error.h"
#include "peer_world.h"

namespace lockstep::cuda {
namespace {

// Of one rank; x and all but delta are the same on all.
struct ResidualCase {
  ResidualCase(std::int64_t rows, std::int64_t width, DType type, Random& random)
      : tokens(rows),
        d_model(width),
        y_type(type),
        x(random.Values(rows * width, 3.0f)),
        bias_a(random.Values(width)),
        bias_b(random.Values(width)),
        weight_a(random.Values(width)),
        weight_b(random.Values(width)) {}

  std::int64_t tokens;
  std::int64_t d_model;
  DType y_type;
  Floats x;
  Device<float> bias_a, bias_b, weight_a, weight_b;
};

// A rank's residual on its device, and the norms of it.
struct RankResidual {
  RankResidual(const ResidualCase& of, const Floats& addend)
      : x(of.x),
        delta(addend),
        y0(of.x.size() * SizeOf(of.y_type) / 2),
        y1(of.x.size() * SizeOf(of.y_type) / 2),
        args{.x = x.data(),
             .delta = delta.data(),
             .bias_a = of.bias_a.data(),
             .bias_b = of.bias_b.data(),
             .norms = {{of.weight_a.data(), of.bias_a.data(), y0.data()},
                       {of.weight_b.data(), of.bias_b.data(), y1.data()}},
             .y_type = of.y_type,
             .tokens = of.tokens,
             .d_model = of.d_model} {}

  Device<float> x, delta;
  Device<std::uint16_t> y0, y1;
  ResidualNormArgs args;
};

class PeerResidualKernels : public KernelTest {
 protected:
  void ExpectTheBitsOfBothKernels(PeerWorld& world, int ranks, const ResidualCase& of) {
    std::vector<Floats> addends;
    for (int rank = 0; rank < ranks; ++rank)
      addends.push_back(random_.Values(of.tokens * of.d_model));
    std::vector<std::unique_ptr<RankResidual>> at_once;
    for (const Floats& addend : addends)
      at_once.push_back(std::make_unique<RankResidual>(of, addend));
    for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum})
      for (int rank = 0; rank < ranks; ++rank)
        PeerResidual(world.ArgsOf(rank), at_once[static_cast<std::size_t>(rank)]->args, phase,
                     stream_);
    // In between the ranks' memory takes the turns of ordinary sums, too.
    world.Reduce(addends, PeerShots::kOne);
    for (int rank = 0; rank < ranks; ++rank) {
      const RankResidual apart(of, addends[static_cast<std::size_t>(rank)]);
      ResidualNorm(apart.args, stream_);
      const RankResidual& found = *at_once[static_cast<std::size_t>(rank)];
      const auto what =
          fmt::format("{} rows of {}, rank {} of {}", of.tokens, of.d_model, rank, ranks);
      ASSERT_EQ(found.x.Values(), apart.x.Values()) << what;
      ASSERT_EQ(found.y0.Values(), apart.y0.Values()) << what;
      ASSERT_EQ(found.y1.Values(), apart.y1.Values()) << what;
    }
  }
};

TEST_P(PeerResidualKernels, HaveTheBitsOfTheSumAndOfTheResidual) {
  for (const int ranks : {2, 5}) {
    PeerWorld world(ranks, DType::kF32, stream_);
    // Rows of one chunk of a thread and of several, whole vectors or not, and as many as there can
    // be.
    for (const auto& [rows, width] : {std::pair{1, 1100}, {3, 50}, {32, 32}, {2, 64}})
      ExpectTheBitsOfBothKernels(world, ranks, ResidualCase(rows, width, type(), random_));
  }
}

TEST_P(PeerResidualKernels, LeaveNormsOutThatNobodyWants) {
  PeerWorld world(2, DType::kF32, stream_);
  const ResidualCase of(2, 64, type(), random_);
  std::vector<Floats> addends{random_.Values(128), random_.Values(128)};
  std::vector<std::unique_ptr<RankResidual>> ranks;
  for (const Floats& addend : addends) {
    ranks.push_back(std::make_unique<RankResidual>(of, addend));
    ranks.back()->args.norms[0] = ranks.back()->args.norms[1] = {};
    ranks.back()->args.bias_a = ranks.back()->args.bias_b = nullptr;
  }
  for (const PeerPhase phase : {PeerPhase::kPublish, PeerPhase::kSum})
    for (int rank = 0; rank < 2; ++rank)
      PeerResidual(world.ArgsOf(rank), ranks[static_cast<std::size_t>(rank)]->args, phase, stream_);
  Floats expected = of.x;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += addends[0][i] + addends[1][i];
  for (const auto& rank : ranks) EXPECT_EQ(rank->x.Values(), expected);
}

// A peer that never comes does not keep the device, and x stays as it was.
TEST_P(PeerResidualKernels, GiveUpAPeerThatDoesNotCome) {
  const PeerWorld world(2, DType::kF32, stream_);
  const ResidualCase of(2, 64, type(), random_);
  const RankResidual rank(of, random_.Values(128));
  PeerResidual(world.ArgsOf(0), rank.args, PeerPhase::kWhole, stream_);
  CheckCuda(cudaStreamSynchronize(stream_), "sum");
  EXPECT_EQ(static_cast<PeerFault>(world.status().report >> 40), PeerFault::kLate);
  EXPECT_EQ(static_cast<int>(world.status().report >> 32 & 0xff), 1);
  EXPECT_EQ(rank.x.Values(), of.x);
}

TEST_P(PeerResidualKernels, RefuseWhatTheyHaveNoRoomFor) {
  const PeerWorld world(2, DType::kF32, stream_);
  const auto refused = [&](std::int64_t rows, std::int64_t width) {
    const ResidualCase of(rows, width, type(), random_);
    const RankResidual rank(of, random_.Values(rows * width));
    EXPECT_THROW(PeerResidual(world.ArgsOf(0), rank.args, PeerPhase::kPublish, stream_), Error);
  };
  refused(kPeerResidualRows + 1, 8);
  refused(2, kPeerStaging);
}

INSTANTIATE_TEST_SUITE_P(Kernels, PeerResidualKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
