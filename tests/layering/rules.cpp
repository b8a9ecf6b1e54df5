#include "tests/layering/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace lockstep::layering {
namespace {

constexpr int kMaxLines = 450;

struct Layer {
  std::string_view folder;
  int level;
};

constexpr Layer kLayers[] = {{"core", 0},       {"comm", 1},    {"partition", 1}, {"tokenizer", 1},
                             {"report", 1},     {"layers", 2},  {"engine", 3},    {"text", 4},
                             {"runtime", 5},    {"api", 6},     {"serving", 6},   {"planning", 6},
                             {"batch", 7},      {"bench", 7},   {"server", 7},    {"complete", 7},
                             {"evaluation", 7}, {"launcher", 8}};

// A library that one folder hides from the others.
struct Private {
  std::string_view header;  // how its includes start
  std::string_view folder;
};

constexpr Private kPrivate[] = {{"mpi", "comm"},
                                {"nccl", "comm"},
                                {"yaml-cpp/", "runtime/options/yaml"},
                                {"CLI/", "launcher/flags"},
                                {"cuda", "layers/kernels/cuda"},
                                {"editline/", "complete"},
                                {"prometheus/", "server"},
                                {"openssl/evp", "evaluation/numbers"},
                                {"openssl/err", "api/tls"},
                                {"openssl/ssl", "api/tls"},
                                {"openssl/x509", "api/tls"},
                                {"boost/asio/ssl/", "api/tls"},
                                {"cublas", "layers/kernels/cuda"}};

std::optional<int> Level(std::string_view folder) {
  for (const Layer& layer : kLayers)
    if (layer.folder == folder) return layer.level;
  return std::nullopt;
}

// "layers/kernels/cpu/gemm.h" -> "layers", and "" for a name without a folder.
std::string_view TopFolder(std::string_view path) {
  const auto slash = path.find('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

// "layers/kernels/cpu/gemm.h" -> "cpu"; "" for everything that is no backend's own.
std::string_view BackendOf(std::string_view path) {
  constexpr std::string_view kKernels = "layers/kernels/";
  return path.starts_with(kKernels) ? TopFolder(path.substr(kKernels.size())) : std::string_view();
}

// Within layers/: a backend knows nothing but the interface above it, and only the factory
// layers/kernels/backend.cpp knows the backends.
std::string WrongKernelInclude(std::string_view path, std::string_view header) {
  const std::string_view mine = BackendOf(path);
  const std::string_view theirs = BackendOf(header);
  if (!theirs.empty() && theirs != mine && path != "layers/kernels/backend.cpp")
    return fmt::format("only layers/kernels/backend.cpp knows the backend {}", theirs);
  if (path.starts_with("layers/kernels/") && !header.starts_with("layers/kernels/"))
    return "kernels know nothing of the layers that use them";
  return "";
}

std::string WrongProjectInclude(std::string_view path, std::string_view header) {
  const std::string_view mine = TopFolder(path);
  const std::string_view theirs = TopFolder(header);
  const std::optional<int> level = Level(theirs);
  if (theirs.empty()) return "includes are written from the root of the source tree";
  if (!level) return fmt::format("{}/ is no folder of the product", theirs);
  if (mine == theirs) return mine == "layers" ? WrongKernelInclude(path, header) : "";
  if (*level == *Level(mine)) return fmt::format("{}/ is a sibling of {}/", theirs, mine);
  if (*level > *Level(mine)) return fmt::format("{}/ lies above {}/", theirs, mine);
  return "";
}

std::string WrongLibraryInclude(std::string_view path, std::string_view header) {
  for (const Private& library : kPrivate)
    if (header.starts_with(library.header) && !path.starts_with(std::string(library.folder) + "/"))
      return fmt::format("only {}/ may know this library", library.folder);
  return "";
}

// Calls of MPI that return at once, whatever the other ranks do.
constexpr std::string_view kPromptMpi[] = {"MPI_Cancel",
                                           "MPI_Comm_rank",
                                           "MPI_Comm_size",
                                           "MPI_Error_class",
                                           "MPI_Error_string",
                                           "MPI_Get_count",
                                           "MPI_Get_library_version",
                                           "MPI_Improbe",
                                           "MPI_Imrecv",
                                           "MPI_Initialized",
                                           "MPI_Irecv",
                                           "MPI_Isend",
                                           "MPI_Issend",
                                           "MPI_Request_free",
                                           "MPI_Test",
                                           "MPI_Testsome",
                                           "MPI_Wtime"};

// A call of MPI that may wait for a rank that does not come, or "". Comments may name them.
std::string BlockingMpiCall(std::string_view path, std::string_view line) {
  if (path == "comm/mpi/mpi_blocking.cpp") return "";
  line = line.substr(0, line.find("//"));
  constexpr std::string_view kName =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  for (auto at = line.find("MPI_"); at != line.npos; at = line.find("MPI_", at + 1)) {
    const auto end = std::min(line.find_first_not_of(kName, at), line.size());
    const std::string_view name = line.substr(at, end - at);
    const bool called = end < line.size() && line[end] == '(';
    if (called && std::ranges::count(kPromptMpi, name) == 0)
      return fmt::format("{} may wait without a deadline; only comm/mpi/mpi_blocking.cpp calls it",
                         name);
  }
  return "";
}

// What is wrong with one line, or "".
std::string WrongInclude(std::string_view path, std::string_view line) {
  constexpr std::string_view kBlanks = " \t";
  const auto skip = [&](std::string_view word) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (!line.starts_with(word)) return false;
    line.remove_prefix(word.size());
    return true;
  };
  if (!skip("#") || !skip("include")) return "";
  skip("");
  if (line.empty()) return "";
  const bool own = line.front() == '"';
  const auto end = line.find(own ? '"' : '>', 1);
  if (end == line.npos) return "";
  const std::string_view header = line.substr(1, end - 1);
  // A library is a library however it is quoted.
  const std::string library = WrongLibraryInclude(path, header);
  if (!library.empty() || !own) return library;
  return WrongProjectInclude(path, header);
}

// "class Foo final : public Bar {" -> "Foo": a type that is defined (not only declared) at the
// beginning of a line, hence outside of other types. Else "", as for specializations of templates.
std::string_view TypeDefinedBy(std::string_view line) {
  for (const std::string_view keyword : {"class ", "struct ", "enum class ", "union "}) {
    if (!line.starts_with(keyword)) continue;
    line.remove_prefix(keyword.size());
    if (line.starts_with("alignas("))
      line.remove_prefix(std::min(line.find(") "), line.size() - 2) + 2);
    const std::string_view name = line.substr(0, line.find_first_of(" :{;<"));
    const bool is_special = line.substr(name.size()).starts_with('<');
    return line.find('{') != line.npos && !is_special ? name : std::string_view();
  }
  return "";
}

// "std::filesystem::exists(path)" throws where a folder may not be entered, and what it throws says
// nothing of a remedy; with an error code it is asked for the reason, or that is ignored on
// purpose.
std::string WrongFileCall(std::string_view line) {
  constexpr std::string_view kCalls[] = {
      "exists(",           "is_directory(",       "is_regular_file(", "is_symlink(",
      "status(",           "file_size(",          "rename(",          "remove(",
      "create_directory(", "read_symlink(",       "canonical(",       "copy_file(",
      "resize_file(",      "directory_iterator(", "equivalent(",      "last_write_time("};
  for (const std::string_view space : {"std::filesystem::", "fs::"})
    for (const std::string_view call : kCalls) {
      const auto at = line.find(std::string(space) + std::string(call));
      if (at == line.npos || line.find("ignored", at) != line.npos ||
          line.find("code", at) != line.npos)
        continue;
      return "give it an error code (`code` or `ignored`), or use core/files/file.h";
    }
  return "";
}

}  // namespace

std::vector<std::string> Folders() {
  std::vector<std::string> folders;
  for (const Layer& layer : kLayers) folders.emplace_back(layer.folder);
  return folders;
}

std::vector<std::string> SourceFiles(const std::filesystem::path& root) {
  constexpr std::string_view kExtensions[] = {".h", ".cpp", ".cu", ".cuh", ".inc"};
  std::vector<std::string> files;
  for (const std::string& folder : Folders())
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder))
      if (std::ranges::count(kExtensions, entry.path().extension().string()) != 0)
        files.push_back(entry.path().lexically_relative(root).generic_string());
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> Violations(std::string_view path, std::string_view text) {
  std::vector<std::string> found;
  int number = 0;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::string wrong = WrongInclude(path, line);
    if (wrong.empty()) wrong = WrongFileCall(line);
    if (!wrong.empty()) found.push_back(fmt::format("{}:{}: {}; {}", path, number, line, wrong));
    const std::string blocking = BlockingMpiCall(path, line);
    if (!blocking.empty()) found.push_back(fmt::format("{}:{}: {}", path, number, blocking));
    if (line.find("TODO") != line.npos || line.find("FIXME") != line.npos)
      found.push_back(
          fmt::format("{}:{}: a note to come back; do it, or file an issue", path, number));
  }
  if (number > kMaxLines && !path.ends_with(".inc"))
    found.push_back(
        fmt::format("{}: {} lines; a file holds one idea in at most {}", path, number, kMaxLines));
  if (path.ends_with(".h") && text.find("#pragma once") == text.npos)
    found.push_back(fmt::format("{}: a header without #pragma once", path));
  return found;
}

std::vector<std::string> ConflictMarkers(std::string_view path, std::string_view text) {
  std::vector<std::string> found;
  int number = 0;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "))
      found.push_back(fmt::format("{}:{}: {}; a merge was not finished", path, number, line));
  }
  return found;
}

std::vector<std::string> TypesDefinedTwice(const std::vector<Source>& headers) {
  std::map<std::string, std::string> places;  // by the name with its namespace
  std::vector<std::string> found;
  for (const Source& header : headers) {
    std::string space;
    std::istringstream lines(header.text);
    for (std::string line; std::getline(lines, line);) {
      constexpr std::string_view kNamespace = "namespace ";
      if (line.starts_with(kNamespace) && line.ends_with("{"))
        space = line.substr(kNamespace.size(), line.find(" {") - kNamespace.size());
      const std::string_view type = TypeDefinedBy(line);
      if (type.empty()) continue;
      const std::string name = fmt::format("{}::{}", space, type);
      const auto [place, is_new] = places.emplace(name, header.path);
      if (!is_new)
        found.push_back(
            fmt::format("{} is defined in {} and in {}", name, place->second, header.path));
    }
  }
  return found;
}

}  // namespace lockstep::layering
