#include "server/serve_job.h"

#include "core/log.h"
#include "runtime/memory/cache_size.h"
#include "server/weights/loop_loader.h"

namespace lockstep {

std::optional<std::int64_t> ServeJob::cache_pages() const {
  return AskedPages(arguments_.options.engine);
}

ExitCode ServeJob::Run(const JobContext& place) {
  LoopLoader loader(place.loop, place.weights);
  Frontend frontend(*input_, place.loop, loader);
  SetLogRank(0, 1);  // said for all ranks
  LogWarning(
      "this server is one of its ranks, and ends when one of them dies; start it without mpirun or "
      "srun, with --tp, and it outlives them");
  frontend.SayReady();
  place.loop.Run([&frontend] { frontend.Look(); });
  frontend.Finish();
  return ExitCode::kOk;
}

}  // namespace lockstep
