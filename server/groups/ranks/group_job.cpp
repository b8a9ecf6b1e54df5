#include "server/groups/ranks/group_job.h"

#include "core/heartbeat.h"
#include "runtime/memory/cache_size.h"
#include "server/groups/ranks/server_link.h"

namespace lockstep {

void GroupJob::Prepare(const ModelFiles& model) {
  tokenizer_ = OpenTokenizer(arguments_.options, model);
  hidden_layer_ = HiddenLayerOf(arguments_.options.embed, model.spec);
}

std::optional<std::int64_t> GroupJob::cache_pages() const {
  return AskedPages(arguments_.options.engine);
}

// Signals to stop are the server's business: it tells when to leave.
ExitCode GroupJob::Run(const JobContext& place) {
  ServerLink link(socket_, place.loop, place.weights);
  const HeartbeatScope long_work(std::chrono::milliseconds(100), [&link] { link.Beat(); });
  place.loop.Run([&link] { link.Beat(); });
  return ExitCode::kOk;
}

}  // namespace lockstep
