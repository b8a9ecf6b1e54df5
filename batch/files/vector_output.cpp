#include "batch/files/vector_output.h"

#include <bit>

#include <fmt/format.h>

#include "api/requests.h"
#include "batch/output.h"

namespace lockstep {
namespace {

class JsonVectors : public VectorOutput {
 public:
  JsonVectors(const std::string& output, const JobIdentity& job)
      : output_(output, job), ordered_(output_) {}

  void Put(std::int64_t index, const ScoreRequest& text, std::span<const float> vector) override {
    ordered_.Put(static_cast<std::size_t>(index), FormatEmbedding(text, vector));
  }
  void PutError(std::int64_t index, const std::string& record) override {
    ordered_.Put(static_cast<std::size_t>(index), record);
  }
  void Commit() override { output_.Commit(); }

 private:
  Output output_;
  OrderedOutput ordered_;
};

class NpyVectors : public VectorOutput {
 public:
  NpyVectors(const std::string& output, const JobIdentity& job, const std::string& header)
      : output_(output, job), ordered_(output_) {
    output_.Write(header);
  }

  void Put(std::int64_t index, const ScoreRequest&, std::span<const float> vector) override {
    static_assert(std::endian::native == std::endian::little);
    const std::string bytes(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
    ordered_.Put(static_cast<std::size_t>(index), bytes);
  }
  void PutError(std::int64_t, const std::string& record) override {
    throw BadInput("a .npy file has no room for a text without a vector; write JSON lines: {}",
                   record);
  }
  void Commit() override { output_.Commit(); }

 private:
  Output output_;
  OrderedOutput ordered_;
};

}  // namespace

std::unique_ptr<VectorOutput> OpenVectorOutput(const std::string& output, const JobIdentity& job,
                                               std::int64_t count, std::int64_t width) {
  if (output.ends_with(".npy"))
    return std::make_unique<NpyVectors>(output, job, NpyHeader(count, width));
  return std::make_unique<JsonVectors>(output, job);
}

std::string NpyHeader(std::int64_t rows, std::int64_t columns) {
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  // Magic, version and length take 10 bytes; all of it is to be a multiple of 64.
  constexpr std::size_t kBefore = 10, kUnit = 64;
  text.append(kUnit - 1 - (kBefore + text.size()) % kUnit, ' ');
  text += '\n';
  const auto length = static_cast<unsigned>(text.size());
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(length & 0xFF);
  header += static_cast<char>(length >> 8);
  return header + text;
}

}  // namespace lockstep
