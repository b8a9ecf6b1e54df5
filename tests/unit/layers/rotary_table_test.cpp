#include "layers/rotary_table.h"

#include <gtest/gtest.h>

#include "core/files/file.h"
#include "core/json.h"
#include "layers/kernels/backend.h"
#include "partition/model/config_json.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

// A float's last bits, times the largest angle.
constexpr double kTolerance = 1e-5;

void ExpectRows(const TensorView& table, const Json& positions, const Json& expected) {
  for (std::size_t row = 0; row < positions.size(); ++row) {
    ASSERT_EQ(table.dim(1), static_cast<std::int64_t>(expected[row].size()));
    const auto* found = table.data<float>() + positions[row].get<std::int64_t>() * table.dim(1);
    for (std::size_t i = 0; i < expected[row].size(); ++i)
      EXPECT_NEAR(found[i], expected[row][i].get<double>(), kTolerance)
          << "frequency " << i << " at position " << positions[row];
  }
}

TEST(RotaryTable, IsThatOfTransformersForEveryWayToWriteItInAConfigJson) {
  const auto path = SourceFolder() / "tests/golden/rotary.json";
  const auto device = MakeBackend(BackendKind::kReference, 1).device;
  const Json cases = ParseJson(ReadFile(path), path.string());
  EXPECT_GT(cases.size(), 30u);
  for (const Json& golden : cases) {
    SCOPED_TRACE(golden["name"]);
    const ModelSpec spec = ParseConfigJson(DumpJson(golden["config"]), "config.json");
    const RotaryTable table = MakeRotaryTable(spec, *device);
    ExpectRows(table.cos.view(), golden["positions"], golden["cos"]);
    ExpectRows(table.sin.view(), golden["positions"], golden["sin"]);
  }
}

}  // namespace
}  // namespace lockstep
