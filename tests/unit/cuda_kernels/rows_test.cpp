// Embedding, residual additions with norms, bias and GELU, chosen rows, conversions.
#include "kernel_fixture.h"
#include "layers/kernels/backend.h"

namespace lockstep::cuda {
namespace {

class RowKernels : public KernelTest {
 protected:
  TensorView View(Floats& values, std::int64_t rows) {
    const auto all = static_cast<std::int64_t>(values.size());
    return {values.data(), DType::kF32, {rows, rows == 0 ? 1 : all / rows}};
  }
  TensorView Vector(Floats& values) {
    return {values.data(), DType::kF32, {static_cast<std::int64_t>(values.size())}};
  }
  std::unique_ptr<Ops> reference_ = MakeBackend(BackendKind::kReference, 1).ops;
};

TEST_P(RowKernels, EmbeddingGivesOwnRowsOfBothTablesAndZerosElsewhere) {
  for (const DType table_type : {type(), DType::kF32})
    for (const std::int64_t d_model : {50, 64, 2056}) {
      const std::int64_t tokens = random_.Int(0, 5), row_count = 7, first_row = 20;
      Floats table = Rounded(table_type, random_.Values(row_count * d_model));
      std::vector<std::int32_t> ids;
      for (std::int64_t i = 0; i < tokens; ++i)
        ids.push_back(static_cast<std::int32_t>(random_.Int(15, 30)));
      Floats expected(static_cast<std::size_t>(tokens * d_model));
      Floats places = Rounded(table_type, random_.Values(6 * d_model));
      const Range own{3, 9};
      std::vector<std::int32_t> sequence_of, position_of;
      std::vector<SequenceRows> sequences;
      for (std::int64_t i = 0; i < tokens; ++i) {
        sequence_of.push_back(i == 2 ? -1 : 0);  // one that fills up
        position_of.push_back(static_cast<std::int32_t>(random_.Int(0, 12)));
        if (i != 2)
          sequences.push_back(
              {.first_row = i, .token_count = 1, .start = position_of.back(), .page_table = {}});
      }
      const bool learned = d_model != 64;
      reference_->Embed({.ids = ids,
                         .tokens = {View(table, row_count), {first_row, first_row + row_count}},
                         .sequences = sequences,
                         .positions = {learned ? View(places, 6) : TensorView(), own},
                         .y = View(expected, tokens)});
      const Device<std::int32_t> device_ids(ids), sequence(sequence_of), position(position_of);
      const Device<std::uint16_t> device_table(Pack(table_type, table));
      const Device<std::uint16_t> device_places(Pack(table_type, places));
      const Device<float> y(expected.size());
      Embed({.ids = device_ids.data(),
             .table = device_table.data(),
             .table_type = table_type,
             .first_row = first_row,
             .row_count = row_count,
             .positions = learned ? device_places.data() : nullptr,
             .first_position = own.begin,
             .position_count = own.size(),
             .sequence_of = sequence.data(),
             .position_of = position.data(),
             .y = y.data(),
             .tokens = tokens,
             .d_model = d_model},
            stream_);
      EXPECT_EQ(y.Values(), expected);
    }
}

struct NormCase {
  std::int64_t tokens;
  std::int64_t d_model;
  DType delta_type;
  DType y_type;
};

TEST_P(RowKernels, ResidualAndTwoNormsMatchTheReference) {
  const DType t = type(), f = DType::kF32;
  for (const NormCase& c : {NormCase{3, 64, f, t}, NormCase{1, 50, t, t}, NormCase{2, 1100, t, f},
                            NormCase{2, 4096, t, t}, NormCase{1, 5120, f, t},
                            NormCase{1, 8200, f, t}, NormCase{0, 64, f, t}}) {
    Floats x = random_.Values(c.tokens * c.d_model, 3.0f);
    for (float& value : x) value += 5.0f;  // a mean that a sum of squares would cancel with
    Floats delta = Rounded(c.delta_type, random_.Values(c.tokens * c.d_model));
    Floats bias_a = random_.Values(c.d_model), bias_b = random_.Values(c.d_model);
    Floats weights[2] = {random_.Values(c.d_model), random_.Values(c.d_model)};
    Floats biases[2] = {random_.Values(c.d_model), random_.Values(c.d_model)};
    const Device<float> device_x(x), device_a(bias_a), device_b(bias_b);
    const Device<std::uint16_t> device_delta(Pack(c.delta_type, delta));
    const Device<float> w0(weights[0]), w1(weights[1]), b0(biases[0]), b1(biases[1]);
    const Device<std::uint16_t> y0(x.size() * SizeOf(c.y_type) / 2);
    const Device<std::uint16_t> y1(x.size() * SizeOf(c.y_type) / 2);
    ResidualNorm({.x = device_x.data(),
                  .delta = device_delta.data(),
                  .delta_type = c.delta_type,
                  .bias_a = device_a.data(),
                  .bias_b = device_b.data(),
                  .norms = {{w0.data(), b0.data(), y0.data()}, {w1.data(), b1.data(), y1.data()}},
                  .y_type = c.y_type,
                  .tokens = c.tokens,
                  .d_model = c.d_model},
                 stream_);
    reference_->AddResidualNorm({.x = View(x, c.tokens),
                                 .delta = View(delta, c.tokens),
                                 .bias_a = Vector(bias_a),
                                 .bias_b = Vector(bias_b)});
    EXPECT_EQ(device_x.Values(), x);
    const Floats found[2] = {Unpack(c.y_type, y0.Values()), Unpack(c.y_type, y1.Values())};
    for (int i = 0; i < 2; ++i) {
      Floats expected(x.size());
      reference_->LayerNorm({.x = View(x, c.tokens),
                             .weight = Vector(weights[i]),
                             .bias = Vector(biases[i]),
                             .y = View(expected, c.tokens)});
      ExpectNear(found[i], expected, Epsilon(c.y_type) / 2 + 2e-6f);
    }
  }
}

TEST_P(RowKernels, NormOfChosenRowsLeavesTheResidualAlone) {
  constexpr std::int64_t kWidth = 192;
  Floats x = random_.Values(5 * kWidth), weight = random_.Values(kWidth),
         bias = random_.Values(kWidth);
  const std::vector<std::int32_t> rows{4, 0, 4};
  const Device<float> device_x(x), w(weight), b(bias), y(rows.size() * kWidth);
  const Device<std::int32_t> device_rows(rows);
  ResidualNorm({.x = device_x.data(),
                .rows = device_rows.data(),
                .norms = {{}, {w.data(), b.data(), y.data()}},
                .y_type = DType::kF32,
                .tokens = static_cast<std::int64_t>(rows.size()),
                .d_model = kWidth},
               stream_);
  Floats chosen, expected(rows.size() * kWidth);
  for (const std::int32_t row : rows)
    chosen.insert(chosen.end(), x.begin() + row * kWidth, x.begin() + (row + 1) * kWidth);
  reference_->LayerNorm({.x = View(chosen, 3),
                         .weight = Vector(weight),
                         .bias = Vector(bias),
                         .y = View(expected, 3)});
  ExpectNear(y.Values(), expected, 2e-6f);
  EXPECT_EQ(device_x.Values(), x);
}

TEST_P(RowKernels, ResidualAloneAddsWithoutBiases) {
  Floats x = random_.Values(3 * 70), delta = random_.Values(3 * 70);
  const Device<float> device_x(x), device_delta(delta);
  ResidualNorm({.x = device_x.data(), .delta = device_delta.data(), .tokens = 3, .d_model = 70},
               stream_);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += delta[i];
  EXPECT_EQ(device_x.Values(), x);
}

TEST_P(RowKernels, NormRefusesWhatItHasNoKernelFor) {
  EXPECT_THROW(ResidualNorm({.tokens = 1, .d_model = kMaxModelWidth + 1}, stream_), Error);
  const std::int32_t* rows = reinterpret_cast<const std::int32_t*>(16);
  EXPECT_THROW(ResidualNorm({.delta = rows, .rows = rows, .tokens = 1, .d_model = 8}, stream_),
               Error);
}

TEST_P(RowKernels, BiasAndGeluMatchTheFormulas) {
  const auto exact = [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); };
  const auto tanh = [](double x) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  for (const Gelu gelu : {Gelu::kNone, Gelu::kExact, Gelu::kTanh})
    for (const std::int64_t columns : {1, 61, 512, 2100}) {
      const std::int64_t tokens = random_.Int(0, 3);
      const Floats x = Rounded(type(), random_.Values(tokens * columns, 4.0f));
      const Floats bias = gelu == Gelu::kNone ? Floats{} : random_.Values(columns);
      const Device<std::uint16_t> device_x(Pack(type(), x));
      const Device<float> device_bias(bias);
      BiasGelu({.x = device_x.data(),
                .x_type = type(),
                .bias = bias.empty() ? nullptr : device_bias.data(),
                .gelu = gelu,
                .tokens = tokens,
                .columns = columns},
               stream_);
      Floats expected;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double sum = x[i] + (bias.empty() ? 0.0f : bias[i % bias.size()]);
        expected.push_back(static_cast<float>(gelu == Gelu::kNone    ? sum
                                              : gelu == Gelu::kExact ? exact(sum)
                                                                     : tanh(sum)));
      }
      ExpectNear(Unpack(type(), device_x.Values()), expected, Epsilon(type()) / 2 + 1e-6f);
    }
}

TEST_P(RowKernels, SelectRowsCopiesThem) {
  for (const std::int64_t width : {33, 2560}) {
    const Floats x = random_.Values(6 * width);
    const std::vector<std::int32_t> rows{5, 5, 0, 2};
    const Device<float> device_x(x), y(rows.size() * static_cast<std::size_t>(width));
    const Device<std::int32_t> device_rows(rows);
    SelectRows({.x = device_x.data(),
                .rows = device_rows.data(),
                .y = y.data(),
                .count = 4,
                .width = width},
               stream_);
    Floats expected;
    for (const std::int32_t row : rows)
      expected.insert(expected.end(), x.begin() + row * width, x.begin() + (row + 1) * width);
    EXPECT_EQ(y.Values(), expected);
  }
}

TEST_P(RowKernels, ConversionsRoundAsTheHostDoes) {
  for (const std::int64_t count : {0, 1, 77, 2048 + 16}) {
    Floats values = random_.Values(count, 300.0f);
    for (std::size_t i = 0; i < values.size(); i += 5) values[i] *= 1e-7f;  // subnormals of fp16
    if (count > 3) values[3] = 1e30f;                                       // infinity of fp16
    const Device<float> from(values), back(values.size());
    const Device<std::uint16_t> to(values.size());
    Convert({.from = from.data(), .to = to.data(), .to_type = type(), .count = count}, stream_);
    EXPECT_EQ(to.Values(), Pack(type(), values));
    Convert({.from = to.data(),
             .from_type = type(),
             .to = back.data(),
             .to_type = DType::kF32,
             .count = count},
            stream_);
    EXPECT_EQ(back.Values(), Rounded(type(), values));
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, RowKernels, KernelCases(), KernelCaseName);

}  // namespace
}  // namespace lockstep::cuda
