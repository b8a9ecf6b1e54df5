#include "server/weights/served_checkpoint.h"

#include <functional>

#include "api/chat_support.h"
#include "api/openai/api_error.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "partition/model/model_folder.h"
#include "runtime/generation_config.h"
#include "runtime/other_weights.h"

namespace lockstep {
namespace {

// What is wrong with files is for the log: clients are told nothing of them.
struct Refusal {
  int status;
  const char* words;  // behind the checkpoint's name
};

void OrRefuse(const std::string& shown, const Refusal& refusal, const std::function<void()>& read) {
  try {
    read();
  } catch (const ApiError&) {
    throw;
  } catch (...) {
    LogWarning("{} was not loaded: {}", shown, CurrentError().what());
    throw ApiError(refusal.status, fmt::format("{} {}", shown, refusal.words), "model");
  }
}

constexpr Refusal kMissing{404,
                           "is no checkpoint that this server has; download it there, the server's "
                           "log says where it was looked for"};
constexpr Refusal kDamaged{400,
                           "cannot be used: its files are not what they should be; the server's "
                           "log says more"};

}  // namespace

ServedCheckpoint Checkpoints::Open(const std::string& checkpoint) const {
  Options options = arguments_.options;
  options.model.path = checkpoint;
  const std::string shown = ShownJson(Json(checkpoint));
  OrRefuse(shown, kMissing, [&] { ResolveModel(checkpoint); });
  const std::string& name = options.server.model_name;
  ServedCheckpoint served{.name = name.empty() ? checkpoint : name, .checkpoint = checkpoint};
  OrRefuse(shown, kDamaged, [&] {
    const ModelFiles model = OpenModel(options);
    if (const std::string why = WhyUnlike(model.spec, spec_); !why.empty())
      throw ApiError(400, fmt::format("{}: {}", shown, why), "model");
    const Tokenizer tokenizer = OpenTokenizer(options, model);
    if (tokenizer.fingerprint() != tokenizer_.fingerprint())
      throw ApiError(400,
                     fmt::format("{}: its tokenizer makes other tokens than that of the weights in "
                                 "use; expected the same",
                                 shown),
                     "model");
    ApplyDefaults(model.generation, tokenizer.vocab_size(), options);
    served.end_tokens = model.generation.end_tokens;
    served.chat = FindChatSupport(options, model);
  });
  served.defaults = std::move(options);
  return served;
}

}  // namespace lockstep
