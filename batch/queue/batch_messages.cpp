#include "batch/queue/batch_messages.h"

#include <cstring>
#include <utility>

#include "core/error.h"

namespace lockstep {
namespace {

class Writer {
 public:
  void Add(std::int64_t number) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&number);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(number));
  }
  void Add(const std::string& text) {
    Add(static_cast<std::int64_t>(text.size()));
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), bytes, bytes + text.size());
  }
  Communicator::Bytes Take() { return std::move(bytes_); }

 private:
  Communicator::Bytes bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::int64_t Number() {
    std::int64_t number = 0;
    const auto bytes = Next(sizeof(number));
    std::memcpy(&number, bytes.data(), sizeof(number));
    return number;
  }
  std::string Text() {
    const auto bytes = Next(static_cast<std::size_t>(Number()));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void End() const { LOCKSTEP_CHECK(bytes_.empty(), "{} bytes too many", bytes_.size()); }

 private:
  std::span<const std::byte> Next(std::size_t count) {
    LOCKSTEP_CHECK(count <= bytes_.size(), "{} bytes of {}", count, bytes_.size());
    const auto next = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return next;
  }

  std::span<const std::byte> bytes_;
};

}  // namespace

Communicator::Bytes Pack(const WorkerReport& report) {
  Writer writer;
  writer.Add(std::int64_t{report.interrupted});
  writer.Add(std::int64_t{report.last});
  writer.Add(static_cast<std::int64_t>(report.results.size()));
  for (const LineResult& result : report.results) {
    writer.Add(result.index);
    writer.Add(result.tokens);
    writer.Add(result.record);
    writer.Add(result.error);
  }
  return writer.Take();
}

Communicator::Bytes Pack(const Assignment& assignment) {
  Writer writer;
  writer.Add(std::int64_t{assignment.end});
  writer.Add(static_cast<std::int64_t>(assignment.lines.size()));
  for (const WorkLine& line : assignment.lines) {
    writer.Add(line.index);
    writer.Add(line.text);
    writer.Add(line.where);
  }
  return writer.Take();
}

WorkerReport UnpackReport(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  WorkerReport report;
  report.interrupted = reader.Number() != 0;
  report.last = reader.Number() != 0;
  for (std::int64_t left = reader.Number(); left > 0; --left) {
    LineResult& result = report.results.emplace_back();
    result.index = reader.Number();
    result.tokens = reader.Number();
    result.record = reader.Text();
    result.error = reader.Text();
  }
  reader.End();
  return report;
}

Assignment UnpackAssignment(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  Assignment assignment;
  assignment.end = reader.Number() != 0;
  for (std::int64_t left = reader.Number(); left > 0; --left) {
    WorkLine& line = assignment.lines.emplace_back();
    line.index = reader.Number();
    line.text = reader.Text();
    line.where = reader.Text();
  }
  reader.End();
  return assignment;
}

}  // namespace lockstep
