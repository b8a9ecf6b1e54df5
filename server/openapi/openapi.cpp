#include "server/openapi/openapi.h"

namespace lockstep {
namespace {

#include "server/openapi/openapi_text.inc"  // made of openapi.json

}  // namespace

std::string_view OpenApiDocument() { return kText; }

}  // namespace lockstep
