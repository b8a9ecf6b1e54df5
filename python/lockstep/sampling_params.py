"""How a text goes on, by the names that vLLM has for it."""
import dataclasses
from typing import Any

from lockstep.vllm_words import refuse_sampling


@dataclasses.dataclass(frozen=True)
class SamplingParams:
    """The controls of one text. The defaults are vLLM's; where generate() gets no SamplingParams, those of the
    model's generation_config.json count.

    max_tokens       the most new tokens; None: as many as the context holds
    n, best_of       texts that are wanted, and that many samples of which the likeliest n are kept
    temperature      0: the likeliest token each time
    top_p, top_k, min_p
                     which tokens are drawn from; top_k 0 or -1: all
    repetition_penalty, presence_penalty, frequency_penalty
                     of tokens that are there already
    seed             the same seed gives the same text; None: a random one
    stop, stop_token_ids
                     texts and tokens before which a text ends; include_stop_str_in_output: it keeps the text that
                     ended it
    ignore_eos, min_tokens
                     whether and from when end tokens end a text
    logprobs, prompt_logprobs
                     so many likeliest tokens with each new token, and with each token of the prompt
    logit_bias, allowed_token_ids
                     {token id: what is added to its logit}, and the only tokens that may come
    use_beam_search, length_penalty, early_stopping
                     beam search with best_of (or n) beams, as in transformers
    """
    n: int = 1
    best_of: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logit_bias: dict[int, float] | None = None
    allowed_token_ids: list[int] | None = None
    use_beam_search: bool = False
    length_penalty: float | None = None
    early_stopping: bool | str | None = None
    include_stop_str_in_output: bool = False

    def __new__(cls, *_: Any, **given: Any) -> "SamplingParams":
        refuse_sampling(name for name in given if name not in cls.__dataclass_fields__)
        return super().__new__(cls)

    def fields(self) -> dict[str, Any]:
        """Of a request to /v1/completions."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.logit_bias is not None:
            given["logit_bias"] = {str(token): bias for token, bias in self.logit_bias.items()}
        return {name: value for name, value in given.items() if value is not None}
