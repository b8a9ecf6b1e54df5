"""What comes back, by the names that vLLM has for it."""
import dataclasses
from typing import Any

_PREFIX = "token_id:"


@dataclasses.dataclass(frozen=True)
class Logprob:
    """Of one token at one place: its natural logarithm. `rank` is its place among the likeliest that were asked for,
    None where it is none of them. `decoded_token` is its text, None with new tokens."""
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclasses.dataclass(frozen=True)
class CompletionOutput:
    """One text. `token_ids` are all that were generated, an end token included, which `text` does not have.
    `finish_reason` is "length" or "stop", and None in the parts of a stream before its last. `stop_reason` is the
    stop text or the stop token's id that ended it, None where it was the model's end token or the length."""
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    cumulative_logprob: float | None = None
    logprobs: list[dict[int, Logprob]] | None = None
    stop_reason: int | str | None = None

    def finished(self) -> bool:
        return self.finish_reason is not None


@dataclasses.dataclass(frozen=True)
class RequestOutput:
    """All texts of one prompt. `prompt` is None where token ids were given. `prompt_logprobs` begins with None."""
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]
    prompt_logprobs: list[dict[int, Logprob] | None] | None = None
    finished: bool = True


@dataclasses.dataclass(frozen=True)
class ScoreOutput:
    """How likely a text is: the logarithm of each token's probability, and the token that the model would have
    preferred. Of a whole text both begin with None; of a continuation they are those of its tokens."""
    token_ids: list[int]
    logprobs: list[float | None]
    top_token_ids: list[int | None]

    @property
    def sum_logprob(self) -> float:
        return sum(logprob for logprob in self.logprobs if logprob is not None)

    @property
    def is_greedy(self) -> bool:
        """Whether greedy decoding would have given these tokens."""
        return all(top in (None, token) for token, top in zip(self.token_ids, self.top_token_ids))


@dataclasses.dataclass(frozen=True)
class EmbeddingOutput:
    embedding: list[float]


@dataclasses.dataclass(frozen=True)
class EmbeddingRequestOutput:
    request_id: str
    outputs: EmbeddingOutput
    finished: bool = True


def completion_of(choice: dict[str, Any], index: int, likeliest: int | None) -> CompletionOutput:
    """`likeliest`: so many tokens were asked for at each place."""
    logprobs, total = None, None
    found = choice.get("logprobs")
    if found is not None:
        logprobs = [_ranked(top, likeliest or 0) for top in found["top_logprobs"]]
        total = sum(found["token_logprobs"])
    return CompletionOutput(index, choice["text"], choice["token_ids"], choice["finish_reason"], total, logprobs,
                            choice["stop_reason"])


def prompt_logprobs_of(choice: dict[str, Any]) -> list[dict[int, Logprob] | None] | None:
    places = choice.get("prompt_logprobs")
    if places is None:
        return None
    return [place and {int(token): Logprob(**one) for token, one in place.items()} for place in places]


def score_of(choice: dict[str, Any], context_tokens: int) -> ScoreOutput:
    """Of what is behind the context."""
    tokens = choice["prompt_token_ids"]
    places = prompt_logprobs_of(choice)
    scores = [place and place[token].logprob for token, place in zip(tokens, places)]
    tops = [place and next(token for token, one in place.items() if one.rank == 1) for place in places]
    return ScoreOutput(tokens[context_tokens:], scores[context_tokens:], tops[context_tokens:])


def _ranked(top: dict[str, float], likeliest: int) -> dict[int, Logprob]:
    """{"token_id:7": -0.5, ...}, the likeliest first; of two that are equally likely, the lower id. The token that
    was chosen may be one more than was asked for."""
    found = sorted((-logprob, int(token.removeprefix(_PREFIX))) for token, logprob in top.items())
    return {token: Logprob(-negative, rank if rank <= likeliest else None)
            for rank, (negative, token) in enumerate(found, 1)}
