#include "batch/files/npy_sink.h"

#include <bit>
#include <vector>

#include "api/jobs/line_call.h"
#include "batch/files/input_lines.h"
#include "batch/output.h"
#include "core/error.h"
#include "core/json.h"

namespace lockstep {
namespace {

std::string BytesOf(std::string_view record, std::int64_t width) {
  static_assert(std::endian::native == std::endian::little);
  const auto vector =
      ParseJson(record, "a record of a vector").at("embedding").get<std::vector<float>>();
  LOCKSTEP_CHECK(std::ssize(vector) == width, "a vector of {} numbers", vector.size());
  return {reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)};
}

[[noreturn]] void RefuseError(std::string_view record) {
  throw BadInput("a .npy file has no room for a text without a vector; write JSON lines: {}",
                 record);
}

class NpyFileSink : public RecordSink {
 public:
  explicit NpyFileSink(const SinkParts& parts)
      : parts_(parts), journal_(parts.output, parts.identity, parts.restart, parts.records) {}

  bool Has(std::int64_t index) const override { return journal_.Has(index); }
  void Put(std::int64_t index, std::string_view record) override {
    if (IsErrorRecord(record)) {
      journal_.Discard();  // nothing can come of the others
      RefuseError(record);
    }
    journal_.Put(index, record);
  }
  std::int64_t errors() const override { return journal_.errors(); }
  std::int64_t resumed() const override { return journal_.resumed(); }

  void Commit() override {
    Output output(parts_.output, parts_.identity);
    output.Write(NpyHeader(journal_.done(), parts_.vector_width));
    InputLines records(journal_.partial());
    while (const auto record = records.Next())
      output.Write(BytesOf(record->text, parts_.vector_width));
    output.Commit();
    journal_.Discard();
  }

 private:
  SinkParts parts_;
  Journal journal_;
};

// A pipe or a device.
class NpyStreamSink : public RecordSink {
 public:
  explicit NpyStreamSink(const SinkParts& parts)
      : width_(parts.vector_width), output_(parts.output), ordered_(output_) {
    output_.Write(NpyHeader(parts.records, width_));
  }

  bool Has(std::int64_t) const override { return false; }
  void Put(std::int64_t index, std::string_view record) override {
    if (IsErrorRecord(record)) RefuseError(record);
    ordered_.Put(static_cast<std::size_t>(index), BytesOf(record, width_));
  }
  std::int64_t errors() const override { return 0; }
  std::int64_t resumed() const override { return 0; }
  void Commit() override { output_.Commit(); }

 private:
  std::int64_t width_;
  Output output_;
  OrderedOutput ordered_;
};

}  // namespace

std::unique_ptr<RecordSink> OpenNpySink(const SinkParts& parts) {
  if (IsAtomicTarget(parts.output)) return std::make_unique<NpyFileSink>(parts);
  return std::make_unique<NpyStreamSink>(parts);
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
