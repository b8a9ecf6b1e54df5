#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

using Json = nlohmann::json;

// Parses one JSON document strictly: valid UTF-8, no duplicate keys in an object, at most 64
// levels deep. `where` names the document in messages ("model/config.json").
// Throws BadInput with the byte position of the fault.
Json ParseJson(std::string_view text, std::string_view where);

// Member access with messages that name the document and the key. A missing or null member is
// std::nullopt; a member of another type is BadInput.
std::optional<std::int64_t> FindInt(const Json& object, std::string_view key,
                                    std::string_view where);
std::optional<double> FindNumber(const Json& object, std::string_view key, std::string_view where);
std::optional<bool> FindBool(const Json& object, std::string_view key, std::string_view where);
std::optional<std::string> FindString(const Json& object, std::string_view key,
                                      std::string_view where);

// A value as messages show it: one line, cut where it is long.
std::string ShownJson(const Json& value);

// One line of JSON; invalid UTF-8 becomes U+FFFD, other characters stay as they are.
std::string DumpJson(const Json& value);

}  // namespace lockstep
