#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/openai/api_error.h"
#include "api/openai/api_request.h"
#include "core/json.h"

namespace lockstep {

// How the fields of requests are read. Fields that are null count as missing, and fields that are
// not known are passed over, as clients expect. All throw ApiError(400) naming the field.

const Json* FindField(const Json& object, const char* name);  // null: missing
bool FlagField(const Json& object, const char* name, bool otherwise = false);
// How many of the likeliest tokens; 2.0 is a whole number, too.
std::optional<std::int64_t> CountField(const Json& object, const char* name);

// The request as an object. Also throws ApiError(404) where it names another model.
Json ReadRequestObject(std::string_view body, const RequestRules& rules);

// stream and stream_options.
void ReadStream(const Json& object, ApiRequest& request);

// Refuses what changes a text and is not there.
void RefuseUnsupported(const Json& object);

// Fields of a client and what they are called in a line of generate's input.
using FieldNames = std::vector<std::pair<const char*, const char*>>;
// Those of sampling and ending, which all requests for texts have.
FieldNames SamplingFields();

struct ClientsTerms {
  FieldNames names;
  const char* text_field;  // has the texts
};
// Has `read` read the body's object, and says the errors of what it calls in a client's terms: by
// the names that the client has for fields.
void ReadInClientsTerms(std::string_view body, const RequestRules& rules, const ClientsTerms& terms,
                        const std::function<void(const Json& object)>& read);

// What all prompts of a request have in common.
struct CommonLine {
  Json fields;
  bool states_tokens = false;  // how many new tokens is the client's
  const char* text_field = "prompt";
};
// Takes values that other servers have for "off": seed -1 is any, top_p 0 and a temperature that is
// too small to divide by take the likeliest token.
// A request that names no seed gets a random one, unless it is the line of a batch job.
Json LineOf(const Json& object, const FieldNames& names, const RequestRules& rules);
// Where the request asks for beam search; by its n, or its best_of.
void UseBeams(const Json& object, Json& line);
void CheckStreamable(const ApiRequest& request);

// A prompt is a text, or a list of token ids.
LineRequest ReadPrompt(const CommonLine& common, const Json& prompt, std::size_t index,
                       const RequestRules& rules);

// Each prompt by itself: of a text, a list of texts, of token ids, or of lists of these. `name` is
// the field's.
std::vector<Json> PromptsOf(const Json& object, const char* name);

// Clients look for the beginning of this message.
[[noreturn]] void RefuseLength(std::int64_t context, const std::string& what,
                               const char* text_field);

}  // namespace lockstep
