#include "batch/queue/batch_messages.h"

#include "core/message_bytes.h"

namespace lockstep {

ControlPlane::Bytes Pack(const WorkerReport& report) {
  MessageWriter writer;
  writer.Put(report.interrupted);
  writer.Put(report.last);
  writer.PutCount(report.results.size());
  for (const LineResult& result : report.results) {
    writer.Put(result.index);
    writer.Put(result.tokens);
    writer.PutText(result.record);
    writer.PutText(result.error);
  }
  return writer.Take();
}

ControlPlane::Bytes Pack(const Assignment& assignment) {
  MessageWriter writer;
  writer.Put(assignment.end);
  writer.PutCount(assignment.lines.size());
  for (const WorkLine& line : assignment.lines) {
    writer.Put(line.index);
    writer.PutText(line.text);
    writer.PutText(line.where);
  }
  return writer.Take();
}

WorkerReport UnpackReport(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  WorkerReport report;
  report.interrupted = reader.Get<bool>();
  report.last = reader.Get<bool>();
  for (std::size_t left = reader.GetCount(sizeof(std::int64_t)); left > 0; --left) {
    LineResult& result = report.results.emplace_back();
    result.index = reader.Get<std::int64_t>();
    result.tokens = reader.Get<std::int64_t>();
    result.record = reader.GetText();
    result.error = reader.GetText();
  }
  reader.End();
  return report;
}

Assignment UnpackAssignment(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  Assignment assignment;
  assignment.end = reader.Get<bool>();
  for (std::size_t left = reader.GetCount(sizeof(std::int64_t)); left > 0; --left) {
    WorkLine& line = assignment.lines.emplace_back();
    line.index = reader.Get<std::int64_t>();
    line.text = reader.GetText();
    line.where = reader.GetText();
  }
  reader.End();
  return assignment;
}

}  // namespace lockstep
