#include "launcher/commands/batch_job.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/bringup.h"
#include "launcher/commands/cache_size.h"
#include "launcher/commands/job_identity.h"
#include "launcher/commands/progress.h"
#include "launcher/commands/streams.h"
#include "launcher/world/interrupt.h"

namespace lockstep {
namespace {

// Lines beyond the first unfinished one that may be worked at: bounds what is held of the finished
// ones that cannot be written yet.
constexpr std::int64_t kWindowLines = 1 << 14;

class JournalSink : public RecordSink {
 public:
  JournalSink(const std::string& output, const JobIdentity& identity, Restart restart)
      : journal_(output, identity, restart) {}

  bool Has(std::int64_t index) const override { return journal_.Has(index); }
  void Put(std::int64_t index, std::string_view record) override { journal_.Put(index, record); }
  std::int64_t errors() const override { return journal_.errors(); }
  std::int64_t taken_up() const override { return journal_.taken_up(); }
  void Commit() override { journal_.Commit(); }

 private:
  Journal journal_;
};

// Standard output, a pipe or a device: what is written is gone, so that nothing can go on later.
class StreamSink : public RecordSink {
 public:
  explicit StreamSink(const std::string& output) : output_(output), ordered_(output_) {}

  bool Has(std::int64_t) const override { return false; }
  void Put(std::int64_t index, std::string_view record) override {
    if (IsErrorRecord(record)) ++errors_;
    ordered_.Put(static_cast<std::size_t>(index), std::string(record));
  }
  std::int64_t errors() const override { return errors_; }
  std::int64_t taken_up() const override { return 0; }
  void Commit() override { output_.Commit(); }

 private:
  Output output_;
  OrderedOutput ordered_;
  std::int64_t errors_ = 0;
};

ProgressLine::Sink TerminalSink(Verbosity verbosity) {
  if (verbosity == Verbosity::kQuiet || !StderrIsTerminal()) return nullptr;
  return [](std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
}

}  // namespace

// One run over the input.
class BatchJob::Runner {
 public:
  Runner(const BatchJob& job, Engine& engine)
      : job_(job),
        engine_(engine),
        sink_(job.OpenSink()),
        lines_(job.arguments_.input),
        session_(engine, *job.tokenizer_, Callbacks()),
        progress_(TerminalSink(job.arguments_.verbosity)) {
    done_ = sink_->taken_up();
    if (done_ > 0 && job.arguments_.verbosity != Verbosity::kQuiet)
      LogInfo("{}: {} of {} lines are done; going on", job.arguments_.output, done_,
              job.input_.lines);
  }

  ExitCode Run() {
    while (!ended_ || session_.in_flight() > 0) {
      if (InterruptRequested()) return Interrupted();
      Fill();
      if (session_.in_flight() > 0) session_.Step();
      progress_.Show(State());
    }
    sink_->Commit();
    progress_.Clear();
    if (ShowsStatistics(job_.arguments_.verbosity)) LogInfo("{}", ProgressText(State()));
    return sink_->errors() == 0 ? ExitCode::kOk : ReportErrors();
  }

 private:
  TextSession::Callbacks Callbacks() {
    return {.on_result = [this](std::int64_t index, const TextResult& result) {
      for (const TextSample& sample : result.samples)
        tokens_ += static_cast<std::int64_t>(sample.tokens.size());
      const auto request = requests_.extract(index);
      Put(index, FormatResult(request.mapped(), result));
    }};
  }

  // Twice what runs together: so the scheduler always has someone to admit.
  void Fill() {
    const auto wanted = static_cast<std::size_t>(2 * job_.arguments_.options.engine.max_sequences);
    while (!ended_ && session_.in_flight() < wanted && !WindowIsFull()) {
      KeepAlive();
      const auto line = lines_.Next();
      ended_ = !line;
      if (!line) return;
      const std::int64_t index = index_++;
      if (!sink_->Has(index)) Submit(index, *line);
    }
  }

  // Millions of lines may be done already, or bad; the other ranks wait meanwhile.
  void KeepAlive() {
    constexpr std::int64_t kLines = 1024;
    const auto now = std::chrono::steady_clock::now();
    if (index_ % kLines != 0 || now - last_sign_ < std::chrono::seconds(2)) return;
    engine_.KeepAlive();
    last_sign_ = now;
  }

  bool WindowIsFull() const {
    if (requests_.empty()) return false;
    return index_ - requests_.begin()->first > kWindowLines;
  }

  void Submit(std::int64_t index, const InputLines::Line& line) {
    try {
      const SamplingOptions& defaults = job_.arguments_.options.sampling;
      GenerateRequest request = ParseGenerateLine(line.text, line.where, index, defaults);
      lockstep::Prepare(request, *job_.tokenizer_, job_.spec_);
      SubmitTokens(index, request);
      requests_.emplace(index, std::move(request));
    } catch (const Error& error) {
      if (error.code() != ExitCode::kBadInput) throw;
      if (first_error_.empty()) first_error_ = error.what();
      Put(index, FormatError(line.text, index, error.what()));
    }
  }

  void SubmitTokens(std::int64_t index, const GenerateRequest& request) {
    try {
      session_.Submit(index, request.request);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", request.where, error.what()));
    }
  }

  void Put(std::int64_t index, std::string_view record) {
    sink_->Put(index, record);
    ++done_;
  }

  ProgressState State() const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
    return {.done = done_,
            .total = job_.input_.lines,
            .taken_up = sink_->taken_up(),
            .tokens = tokens_,
            .seconds = took.count()};
  }

  ExitCode Interrupted() {
    progress_.Clear();
    if (job_.KeepsJournal() && job_.arguments_.verbosity != Verbosity::kQuiet)
      LogInfo("{} of {} lines are done and kept; the same command goes on from there", done_,
              job_.input_.lines);
    return ExitCode::kInterrupted;
  }

  ExitCode ReportErrors() const {
    const std::string first =
        first_error_.empty() ? "" : fmt::format("; the first: {}", first_error_);
    SetLogRank(0, 1);  // the line is said for all ranks
    LogError("{} of {} lines could not be used: see \"error\" in their records{}", sink_->errors(),
             job_.input_.lines, first);
    return ExitCode::kBadInput;
  }

  const BatchJob& job_;
  Engine& engine_;
  std::unique_ptr<RecordSink> sink_;
  InputLines lines_;
  std::map<std::int64_t, GenerateRequest> requests_;  // in flight
  TextSession session_;
  ProgressLine progress_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool ended_ = false;
  std::int64_t index_ = 0;  // of the next line
  std::int64_t done_ = 0;
  std::int64_t tokens_ = 0;
  std::string first_error_;
  std::chrono::steady_clock::time_point last_sign_ = start_;  // that the other ranks had of us
};

bool BatchJob::KeepsJournal() const { return AppearsWhole(arguments_.output); }

std::unique_ptr<RecordSink> BatchJob::OpenSink() const {
  if (!KeepsJournal()) return std::make_unique<StreamSink>(arguments_.output);
  return std::make_unique<JournalSink>(arguments_.output, identity_, arguments_.restart);
}

void BatchJob::Prepare(const ModelFiles& model) {
  KeepStandardInput(arguments_.input);
  input_ = SummarizeInput(arguments_.input);
  if (input_.lines == 0)
    throw BadInput("{}: holds no lines; expected at least one request",
                   InputName(arguments_.input));
  tokenizer_ = OpenTokenizer(arguments_.options, model);
  spec_ = model.spec;
  identity_ = IdentityOf(input_, model, arguments_.options);
  // Now, not after hours of work. Beginning again is left to the one that works.
  if (!KeepsJournal()) return CheckWritable(arguments_.output);
  if (arguments_.restart == Restart::kGoOn) Journal(arguments_.output, identity_, Restart::kGoOn);
}

std::int64_t BatchJob::cache_pages() const {
  return CachePages(arguments_.options.engine, spec_, FreeMemoryBytes());
}

ExitCode BatchJob::Run(Engine& engine) { return Runner(*this, engine).Run(); }

}  // namespace lockstep
