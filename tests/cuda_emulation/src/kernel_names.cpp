// Names of kernels for reports. Those in anonymous namespaces are in no dynamic symbol table, so
// the program's own file is read.

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "executor.h"

namespace lockstep::cuda_emulation {
namespace {

using SymbolTable = std::map<std::uintptr_t, std::string>;  // by offset

template <class T>
const T* At(const std::vector<char>& file, std::size_t offset, std::size_t count = 1) {
  return offset + count * sizeof(T) <= file.size()
             ? reinterpret_cast<const T*>(file.data() + offset)
             : nullptr;
}

void AddSymbols(const std::vector<char>& file, const Elf64_Shdr& section, std::size_t names,
                SymbolTable& table) {
  const std::size_t count = section.sh_size / sizeof(Elf64_Sym);
  const auto* symbols = At<Elf64_Sym>(file, section.sh_offset, count);
  for (std::size_t i = 0; symbols != nullptr && i < count; ++i) {
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC) continue;
    table[symbols[i].st_value] = file.data() + names + symbols[i].st_name;
  }
}

SymbolTable ReadSymbols(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> file((std::istreambuf_iterator<char>(in)), {});
  SymbolTable table;
  const auto* header = At<Elf64_Ehdr>(file, 0);
  if (header == nullptr) return table;
  const auto* sections = At<Elf64_Shdr>(file, header->e_shoff, header->e_shnum);
  for (std::size_t i = 0; sections != nullptr && i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    AddSymbols(file, sections[i], sections[sections[i].sh_link].sh_offset, table);
  }
  return table;
}

std::string SymbolOf(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0) return "";
  if (info.dli_sname != nullptr && info.dli_saddr == address) return info.dli_sname;
  static auto* tables = new std::map<std::string, SymbolTable>;
  const std::string path = info.dli_fname[0] == '/' ? info.dli_fname : "/proc/self/exe";
  const auto [entry, fresh] = tables->try_emplace(path);
  if (fresh) entry->second = ReadSymbols(path);
  const auto base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  const auto offset = reinterpret_cast<std::uintptr_t>(address) - base;
  const auto found = entry->second.find(offset);
  return found != entry->second.end() ? found->second : "";
}

// "void (anonymous namespace)::Norm<4>(float*)" -> "Norm<4>"
std::string Shorten(const std::string& symbol) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
  std::string name = demangled != nullptr ? demangled : symbol;
  std::free(demangled);
  if (name.rfind("void ", 0) == 0) name.erase(0, std::strlen("void "));
  const std::string anonymous = "(anonymous namespace)::";
  for (auto at = name.find(anonymous); at != std::string::npos; at = name.find(anonymous)) {
    name.erase(at, anonymous.size());
  }
  const auto parameters = name.rfind('(');
  if (parameters != std::string::npos && parameters > 0) name.resize(parameters);
  return name;
}

}  // namespace

std::string KernelName(const void* kernel) {
  static auto* names = new std::map<const void*, std::string>;
  std::string& name = (*names)[kernel];
  if (!name.empty()) return name;
  const std::string symbol = SymbolOf(kernel);
  char address[24];
  std::snprintf(address, sizeof address, "%p", kernel);
  name = symbol.empty() ? address : Shorten(symbol);
  return name;
}

}  // namespace lockstep::cuda_emulation
