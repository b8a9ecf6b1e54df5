"""The model "lockstep" of lm-evaluation-harness.

    python -m lockstep.lm_eval --model lockstep --model_args pretrained=EleutherAI/pythia-1.4b,tp=2 --tasks sciq

is `lm_eval` with this model registered; in Python, importing this module registers it. The arguments are those of
lockstep.LLM; `pretrained` is its model, `parallel_device` its device. Scores are computed by the ranks; nothing needs PyTorch but the harness.
"""
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from lockstep.llm import LLM
from lockstep.sampling_params import SamplingParams

_DEFAULT_NEW_TOKENS = 256


@register_model("lockstep")
class LockstepLM(TemplateLM):
    def __init__(self, pretrained: str | None = None, parallel_device: str | None = None,
                 max_gen_toks: int = _DEFAULT_NEW_TOKENS, device: Any = None, batch_size: Any = None,
                 max_batch_size: Any = None, **arguments: Any):
        """`parallel_device` is LLM's device. The harness passes `device` ("cuda:0" where nobody has said one),
        `batch_size` and `max_batch_size` to every model; here they change nothing: the server batches by itself."""
        super().__init__()
        self._llm = LLM(pretrained, device=parallel_device, **arguments)
        self._max_gen_toks = max_gen_toks

    @property
    def llm(self) -> LLM:
        return self._llm

    @property
    def eot_token_id(self) -> int:
        found = self._llm.eos_token_id
        if found is None:
            raise ValueError("the tokenizer names no end token, with which the harness begins texts")
        return found

    @property
    def max_length(self) -> int:
        """Of a text that is scored: one token of the context is left for a new one."""
        return self._llm.max_model_len - 1

    @property
    def max_gen_toks(self) -> int:
        return self._max_gen_toks

    @property
    def tokenizer_name(self) -> str:
        return "lockstep"

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        return self._llm.tokenize(string)

    def _loglikelihood_tokens(self, requests: list[Any], disable_tqdm: bool = False,
                              **kwargs: Any) -> list[tuple[float, bool]]:
        texts, contexts = [], []
        for _, context, continuation in requests:
            # The end of what is too long, as in the harness's own models.
            text = (list(context) + list(continuation))[-self.max_length:]
            texts.append(text)
            contexts.append(max(1, len(text) - len(continuation)))
        scores = self._llm.score_tokens(texts, contexts, use_tqdm=not disable_tqdm)
        return [(one.sum_logprob, one.is_greedy) for one in scores]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        windows, owners = [], []
        for owner, request in enumerate(requests):
            parts = get_rolling_token_windows(token_list=self.tok_encode(request.args[0]),
                                              prefix_token=self.prefix_token_id, max_seq_len=self.max_length - 1,
                                              context_len=1)
            for context, continuation in map(make_disjoint_window, parts):
                windows.append((None, context, continuation))
                owners.append(owner)
        totals = [0.0] * len(requests)
        for owner, (logprob, _) in zip(owners, self._loglikelihood_tokens(windows, disable_tqdm=disable_tqdm)):
            totals[owner] += logprob
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        prompts, params = [], []
        for context, given in (request.args for request in requests):
            prompt, one = self._generation(context, dict(given))
            prompts.append(prompt)
            params.append(one)
        made = self._llm.generate(prompts, params, use_tqdm=not disable_tqdm)
        return [one.outputs[0].text for one in made]

    def _generation(self, context: str, given: dict[str, Any]) -> tuple[list[int], SamplingParams]:
        """The end of the context that leaves room for the new tokens, and how it goes on."""
        until = given.get("until") or []
        until = [until] if isinstance(until, str) else list(until)
        room = next((given[name] for name in ("max_gen_toks", "max_new_tokens", "max_tokens") if name in given),
                    self._max_gen_toks)
        room = min(int(room), self._llm.max_model_len - 1)
        tokens = self._llm.tokenize(context)[-(self._llm.max_model_len - room):] or [self.prefix_token_id]
        sampled = given.get("do_sample", given.get("temperature", 0) > 0)
        drawn = {name: given[name] for name in ("top_p", "top_k", "min_p", "seed", "repetition_penalty")
                 if name in given}
        return tokens, SamplingParams(max_tokens=room, stop=[text for text in until if text] or None,
                                      temperature=float(given.get("temperature", 1.0)) if sampled else 0.0,
                                      **drawn)


def main() -> None:
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
