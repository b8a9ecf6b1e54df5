#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <system_error>
#include <vector>

#include "api/json_lines.h"
#include "batch/files/input_file.h"
#include "batch/files/input_format.h"
#include "batch/files/input_lines.h"
#include "batch/output.h"
#include "core/error.h"
#include "core/log.h"
#include "launcher/commands/commands.h"
#include "runtime/model_files.h"
#include "runtime/standard_streams.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {
namespace {

constexpr const char* kTextField = "text";
constexpr const char* kTokensField = "tokens";

Json Encode(const Tokenizer& tokenizer, const LineFields& line) {
  const auto text = FindString(line.object(), kTextField, line.where());
  if (!text) throw BadInput("{}: \"{}\" is missing; expected a text", line.where(), kTextField);
  return {{kTokensField, tokenizer.Encode(*text)}};
}

Json Decode(const Tokenizer& tokenizer, const LineFields& line) {
  const auto tokens = line.Tokens(kTokensField);
  if (!tokens)
    throw BadInput(
        "{}: \"{}\" is missing; expected a list of token ids; without --decode, lines "
        "have \"{}\"",
        line.where(), kTokensField, kTextField);
  for (std::size_t i = 0; i < tokens->size(); ++i)
    if (tokenizer.TokenBytes((*tokens)[i]).empty())
      throw BadInput(
          "{}: \"{}\"[{}] is {}, which the tokenizer has no token for; its ids are 0 to {}",
          line.where(), kTokensField, i, (*tokens)[i], tokenizer.vocab_size() - 1);
  return {{kTextField, tokenizer.Decode(*tokens, SpecialTokens::kKeep)}};
}

// A line's answer; its id, if it has one, comes back with it.
Json AnswerTo(const Tokenizer& tokenizer, TokenizeDirection direction,
              const InputLines::Line& input) {
  if (!input.fits()) throw BadInput("{}", TooLong(input));
  const bool encode = direction == TokenizeDirection::kEncode;
  const LineFields line(std::string_view(input.text), input.where,
                        LineRules{.known = {encode ? kTextField : kTokensField, "id"}});
  Json answer = encode ? Encode(tokenizer, line) : Decode(tokenizer, line);
  if (line.object().contains("id")) answer["id"] = line.Id(0);
  return answer;
}

// Of a line that cannot be used.
Json ErrorAnswer(const InputLines::Line& input, const std::string& message) {
  Json answer = {{"error", message}};
  const Json line = Json::parse(input.text, nullptr, /*allow_exceptions=*/false);
  const Json id = line.is_object() ? line.value("id", Json()) : Json();
  if (id.is_string() || id.is_number_integer()) answer["id"] = id;
  return answer;
}

// One line after the other, of a file or as they are typed.
using NextLine = std::function<std::optional<InputLines::Line>()>;

// Lines of standard input, each as soon as it has come, so that this can be one end of a talk.
class TypedLines {
 public:
  // The next one that is not blank; nothing at the end.
  std::optional<InputLines::Line> Next() {
    for (InputLines::Line line; Read(line);)
      if (!line.fits() || !IsBlank(line.text)) return line;
    return std::nullopt;
  }

 private:
  // False at the end.
  bool Read(InputLines::Line& line) {
    line = {.text = "", .where = fmt::format("{}:{}", InputName("-"), ++number_), .bytes = 0};
    bool any = false;
    while (!unread_.empty() || Fill()) {
      any = true;
      const auto end = unread_.find('\n');
      const std::string_view part = unread_.substr(0, end);
      unread_.remove_prefix(std::min(part.size() + 1, unread_.size()));
      line.bytes += static_cast<std::int64_t>(part.size());
      if (line.fits())
        line.text += part;
      else
        line.text.clear();
      if (end != std::string_view::npos) break;
    }
    return any;
  }

  bool Fill() {
    ssize_t count = -1;
    do {
      count = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0)
      throw EnvironmentError("{}: reading failed: {}", InputName("-"),
                             std::generic_category().message(errno));
    unread_ = {buffer_.data(), static_cast<std::size_t>(count)};
    return count > 0;
  }

  std::vector<char> buffer_ = std::vector<char>(1 << 16);
  std::string_view unread_;
  std::int64_t number_ = 0;
};

}  // namespace

int RunTokenize(const Arguments& arguments) {
  const std::string& input = arguments.input;
  const bool is_typed = input.empty() || input == "-";
  if (!is_typed) {
    RefuseSameFile(input, arguments.output);
    KeepInput(input);  // a pipe is read once
    RefuseOtherFormats(input);
  }
  const Tokenizer tokenizer = Tokenizer::Load(TokenizerPlace(arguments.options.model.tokenizer));
  TypedLines typed;
  std::optional<InputLines> file;
  if (!is_typed) file.emplace(input);
  const NextLine next = [&] { return is_typed ? typed.Next() : file->Next(); };
  Output output(arguments.output);
  auto code = ExitCode::kOk;
  while (const auto line = next()) {
    Json answer;
    try {
      answer = AnswerTo(tokenizer, arguments.direction, *line);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kBadInput) throw;
      code = error.code();
      LogError("{}", error.what());
      answer = ErrorAnswer(*line, error.what());
    }
    output.Write(DumpJson(answer) + "\n");
  }
  output.Commit();
  return static_cast<int>(code);
}

}  // namespace lockstep
