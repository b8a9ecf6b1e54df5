#include "layers/stage_transfer.h"

#include <gmock/gmock.h>

#include <cstring>

#include "layers/kernels/host_backend.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(StageTransfer, FillsRowsBehindThoseThatItIsGivenWithZeros) {
  HostDevice device;
  StageTransfer transfer(device);
  const Tensor x = device.Allocate(DType::kF32, {4, 2});
  const std::vector<float> input{1, 2, 3, 4};
  std::fill_n(x.view().data<float>(), 8, 9.0F);
  transfer.Take(std::as_bytes(std::span(input)), x.view());
  const std::span found(x.view().data<float>(), 8);
  EXPECT_THAT(found, ElementsAre(1, 2, 3, 4, 0, 0, 0, 0));
}

TEST(StageTransfer, GivesWhatLiesOnTheHostWhereItLies) {
  HostDevice device;
  StageTransfer transfer(device);
  const Tensor x = device.Allocate(DType::kF32, {8});
  const std::span<const std::byte> given = transfer.Give(x.view().Rows(2, 4));
  EXPECT_EQ(static_cast<const void*>(given.data()), x.view().data<float>() + 2);
  EXPECT_EQ(given.size(), 4 * sizeof(float));
}

TEST(StageTransfer, RefusesWhatIsNoRowsOrTooMany) {
  HostDevice device;
  StageTransfer transfer(device);
  const Tensor x = device.Allocate(DType::kF32, {2, 2});
  const std::vector<float> values(6);
  for (const std::size_t count : {3u, 6u})
    EXPECT_THAT(
        MessageOf([&] { transfer.Take(std::as_bytes(std::span(values).first(count)), x.view()); },
                  ExitCode::kInternal),
        HasSubstr("bytes of activations for [2, 2]"));
}

}  // namespace
}  // namespace lockstep
