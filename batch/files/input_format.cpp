#include "batch/files/input_format.h"

#include <array>
#include <string_view>

#include "batch/files/input_file.h"
#include "core/error.h"
#include "runtime/standard_streams.h"

namespace lockstep {
namespace {

using namespace std::string_view_literals;

struct InputFormat {
  std::string_view begins;
  std::string_view name;
  std::string_view advice;
};

// What files of other kinds begin with.
constexpr std::array kOtherFormats = {
    InputFormat{"\x1f\x8b"sv, "compressed by gzip", "unpack it with gunzip"},
    InputFormat{"\x28\xb5\x2f\xfd"sv, "compressed by zstd", "unpack it with unzstd"},
    InputFormat{"\xfd"
                "7zXZ"sv,
                "compressed by xz", "unpack it with unxz"},
    InputFormat{"BZh"sv, "compressed by bzip2", "unpack it with bunzip2"},
    InputFormat{"PK\x03\x04"sv, "a zip archive", "unpack it with unzip"},
    InputFormat{"PAR1"sv, "a Parquet file", "write its rows as JSON lines"},
    InputFormat{"\xff\xfe"sv, "in UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"},
    InputFormat{"\xfe\xff"sv, "in UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"},
};

// "[" and then "{", on this line or a later one: no line of a job is a list.
bool IsListOfObjects(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  constexpr std::string_view kBlank = " \t\r\n";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == text.npos || text[begin] != '[') return false;
  const auto next = text.find_first_not_of(kBlank, begin + 1);
  return next != text.npos && text[next] == '{';
}

[[noreturn]] void RefuseFormat(const std::string& input, std::string_view name,
                               std::string_view advice) {
  throw BadInput("{}: is {}; expected JSON lines, an object on each: {}", InputName(input), name,
                 advice);
}

}  // namespace

void RefuseOtherFormats(const std::string& input) {
  InputFile file(input);
  const std::string_view begin = file.ReadBlock();
  for (const InputFormat& format : kOtherFormats)
    if (begin.starts_with(format.begins)) RefuseFormat(input, format.name, format.advice);
  if (IsListOfObjects(begin))
    RefuseFormat(input, "one list of objects", "jq -c '.[]' writes one as lines");
}

}  // namespace lockstep
