#pragma once

#include <string_view>
#include <vector>

#include "core/json.h"
#include "tokenizer/tokenizer_spec.h"

namespace lockstep {

// Reads a Hugging Face tokenizer.json. `where` names it in messages.
//
// Understood: byte-level BPE as GPT-2 and GPT-NeoX have it; normalizer null, NFC or a Sequence of
// these; pre_tokenizer and decoder ByteLevel; post_processor null, ByteLevel, or a template that
// adds nothing; merges as "a b" or ["a", "b"]. Anything else that could change a token is refused
// by name. `truncation` and `padding` are ignored: a prompt is never cut or filled up silently.
// Throws BadInput.
TokenizerSpec ParseTokenizerJson(std::string_view json, std::string_view where);

// The same of a document that is parsed already.
TokenizerSpec ReadTokenizerJson(const Json& document, std::string_view where);

// Parts of it, for tokenizers that take only these: vocabulary and merges; the added tokens with
// their ids; and a check that nothing is put before or after a text.
TokenizerSpec ReadTokenizerModel(const Json& document, std::string_view where);
std::vector<TokenizerSpec::Added> ReadAddedTokens(const Json& document, std::string_view where);
void RefuseTemplates(const Json& document, std::string_view where);

// Parts that vocab.json, merges.txt and their companions share with tokenizer.json.
void ReadVocabulary(const Json& vocabulary, TokenizerSpec& spec);
void AddMergeLine(std::string_view line, std::string_view where, TokenizerSpec& spec);
AddedToken ReadAddedToken(const Json& token, std::string_view where);

}  // namespace lockstep
