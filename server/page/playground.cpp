#include "server/page/playground.h"

#include <string_view>

namespace lockstep {
namespace {

#include "server/page/page_text.inc"  // made of this folder's HTML, style and script

}  // namespace

HttpAnswer Playground() {
  return {.body = std::string(kBeforeScript).append(kScript).append(kBehindScript),
          .type = "text/html; charset=utf-8",
          .etag = std::string(kTag),
          .policy = std::string(kPolicy)};
}

}  // namespace lockstep
