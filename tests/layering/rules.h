#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::layering {

// The rules of docs/architecture.md that a machine can check: who may include whom, which
// libraries stay in which folder, and how long a file may get.

// The folders of the product, lowest level first.
std::vector<std::string> Folders();

// The product's source files below `root`, as paths relative to it ("layers/decoder.h"), sorted.
std::vector<std::string> SourceFiles(const std::filesystem::path& root);

// What the file breaks, one message "path:line: what; why" per violation. `path` is relative to
// the root of the source tree.
std::vector<std::string> Violations(std::string_view path, std::string_view text);

// What a merge left behind in a text, one message "path:line: …" for each marker of a conflict.
std::vector<std::string> ConflictMarkers(std::string_view path, std::string_view text);

// A source file: its path below the root, and what it says.
struct Source {
  std::string path;
  std::string text;
};

// Types that two headers define under one name in one namespace: no compiler sees both, and the
// linker takes either's functions for both. One message for each.
std::vector<std::string> TypesDefinedTwice(const std::vector<Source>& headers);

}  // namespace lockstep::layering
