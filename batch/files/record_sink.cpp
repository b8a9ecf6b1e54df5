#include "batch/files/record_sink.h"

#include "api/jobs/line_call.h"
#include "batch/files/npy_sink.h"
#include "batch/output.h"

namespace lockstep {
namespace {

class JournalSink : public RecordSink {
 public:
  explicit JournalSink(const SinkParts& parts)
      : journal_(parts.output, parts.identity, parts.restart, parts.records) {}

  bool Has(std::int64_t index) const override { return journal_.Has(index); }
  void Put(std::int64_t index, std::string_view record) override { journal_.Put(index, record); }
  std::int64_t errors() const override { return journal_.errors(); }
  std::int64_t resumed() const override { return journal_.resumed(); }
  void Commit() override { journal_.Commit(); }

 private:
  Journal journal_;
};

// What is written is gone, so that nothing can go on later.
class StreamSink : public RecordSink {
 public:
  explicit StreamSink(const std::string& output) : output_(output), ordered_(output_) {}

  bool Has(std::int64_t) const override { return false; }
  void Put(std::int64_t index, std::string_view record) override {
    if (IsErrorRecord(record)) ++errors_;
    ordered_.Put(static_cast<std::size_t>(index), std::string(record));
  }
  std::int64_t errors() const override { return errors_; }
  std::int64_t resumed() const override { return 0; }
  void Commit() override { output_.Commit(); }

 private:
  Output output_;
  OrderedOutput ordered_;
  std::int64_t errors_ = 0;
};

}  // namespace

std::unique_ptr<RecordSink> OpenSink(const SinkParts& parts) {
  if (IsNpy(parts)) return OpenNpySink(parts);
  if (!IsAtomicTarget(parts.output)) return std::make_unique<StreamSink>(parts.output);
  return std::make_unique<JournalSink>(parts);
}

bool IsNpy(const SinkParts& parts) {
  return parts.vector_width > 0 && parts.output.ends_with(".npy");
}

}  // namespace lockstep
