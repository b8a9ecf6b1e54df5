#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace lockstep {

enum class SpecialTokens { kKeep, kSkip };

// Text to token ids and back, for byte-level BPE as GPT-2 (GPT-J) and GPT-NeoX-20B (Pythia) have
// it. Identical to the Hugging Face `tokenizers` package on every input. Cheap to copy; all
// methods may be called from several threads at once.
class Tokenizer {
 public:
  // From a tokenizer.json alone, as the `tokenizers` package reads it, or from a folder with all
  // that lies in it (see tokenizer_folder.h). Throws BadInput naming the file, what was found and
  // what was expected.
  static Tokenizer Load(const std::filesystem::path& file_or_folder);

  // From the text of a tokenizer.json; `where` names it in messages.
  static Tokenizer FromJson(std::string_view json, std::string_view where);

  explicit Tokenizer(const TokenizerSpec& spec);

  // The ids of the text; no token is put before or after it. Added tokens in the text, special ones
  // too, become their ids. Throws BadInput with the byte offset when it is not valid UTF-8.
  std::vector<std::int32_t> Encode(std::string_view text) const;

  // No text of more bytes has so few tokens. Nothing where no such number is known: some bytes have
  // no token, or an added token takes the blanks around it with it.
  std::optional<std::int64_t> MostBytes(std::int64_t tokens) const;

  // The text of the ids. Bytes that are not valid UTF-8 become U+FFFD; an id without a token gives
  // nothing. kSkip leaves special tokens out.
  std::string Decode(std::span<const std::int32_t> ids, SpecialTokens special) const;

  // The bytes of one token, which may be half a character; empty for an id without a token. The
  // view lives as long as any copy of this tokenizer.
  std::string_view TokenBytes(std::int32_t id) const;

  // One past the highest id that a file names, added tokens included. A class may know a token more
  // ("<|padding|>") that no model was trained with.
  std::int32_t vocab_size() const;

  // The same without added tokens: what ordinary text is made of.
  std::int32_t vocab_size_without_added() const;

  // The id of a token as the vocabulary spells it ("Ġthe", "<|endoftext|>").
  std::optional<std::int32_t> TokenId(std::string_view spelling) const;

  // The same for tokenizers that cut every text into the same ids and put them together alike,
  // whichever files they are read from.
  std::uint64_t fingerprint() const;

  // True for the tokens that Decode leaves out with kSkip.
  bool IsSpecial(std::int32_t id) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace lockstep
