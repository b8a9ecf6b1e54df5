"""The class that holds a model: its ranks run in processes of their own, behind `lockstep serve`."""
import concurrent.futures
import itertools
import numbers
import operator
import weakref
from typing import Any, Iterator, Sequence

from lockstep import outputs as results
from lockstep.errors import RequestError, ServerError
from lockstep.http_client import HttpClient
from lockstep.outputs import (CompletionOutput, EmbeddingOutput, EmbeddingRequestOutput, RequestOutput, ScoreOutput)
from lockstep.program import find_program
from lockstep.sampling_params import SamplingParams
from lockstep.server import Server
from lockstep.vllm_words import refuse_llm

Prompt = str | Sequence[int] | dict[str, Any]  # {"prompt": ...} and {"prompt_token_ids": ...} as vLLM has them

_DTYPES = {"float32": "fp32", "float": "fp32", "bfloat16": "bf16", "float16": "fp16", "half": "fp16"}
_BYTES = (bytes, bytearray, memoryview)
_CLOSED = "the model is closed, by close() or at the end of its `with` block; make another LLM"
_PROMPTS_PER_REQUEST = 64
_REQUESTS_AT_ONCE = 8
_IDS = {"return_token_ids": True, "return_tokens_as_token_ids": True}


class LLM:
    """A model on `tp` ranks of this machine, from the constructor until close(), the end of `with`, or the end of
    this process, however that ends.

    model     a folder, a name org/name[@revision] of the local Hugging Face cache, or a demo model's name
    tensor_parallel_size, tp
              ranks to divide the model over; pipeline_parallel_size, pp: so many stages of them;
              data_parallel_size, dp: so many groups of these
    dtype     "fp32", "bf16", "int8", "int4", on GPUs "fp16" and "fp8" (torch's names do, too); "auto": by the checkpoint and the processor
    tokenizer, device, threads
              as the flags of `lockstep serve`
    settings  {"engine.max_sequences": 64, ...}: keys of the configuration
    config    a configuration: a YAML file, or the name of one that comes with the program
    program   the program; None: find_program()
    env       variables for the program, beside those of this process

    Raises StartError; TypeError for keywords of vLLM that are not here, with what to do instead. May be used by
    several threads.
    """

    def __init__(self, model: str | None = None, *, tensor_parallel_size: int | None = None, tp: int | None = None,
                 pipeline_parallel_size: int | None = None, pp: int | None = None,
                 data_parallel_size: int | None = None, dp: int | None = None, dtype: str = "auto",
                 tokenizer: str | None = None, device: str | None = None, threads: int | None = None,
                 settings: dict[str, Any] | None = None, config: str | None = None, program: str | None = None,
                 env: dict[str, str] | None = None, **others: Any):
        refuse_llm(others)
        if model is None and config is None:
            raise TypeError("LLM: there is neither a model nor a config; give one of them")
        words = []
        for flag, value in (("--model", model), ("--config", config), ("--tp", _one("tp", tensor_parallel_size, tp)),
                            ("--pp", _one("pp", pipeline_parallel_size, pp)),
                            ("--dp", _one("dp", data_parallel_size, dp)), ("--tokenizer", tokenizer),
                            ("--device", device), ("--threads", threads),
                            ("--dtype", None if dtype == "auto" else _DTYPES.get(dtype, dtype))):
            words += [] if value is None else [flag, str(value)]
        for key, value in (settings or {}).items():
            words += ["--set", f"{key}={_setting(value)}"]
        self._numbers = itertools.count()
        self._closed = False
        self._server = Server(program or find_program(), words, env)
        self._clients: "weakref.WeakSet[HttpClient]" = weakref.WeakSet()
        self._http = self._client()
        self._info = self._ask("/tokenizer_info")

    def __enter__(self) -> "LLM":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server and its ranks; what is under way in other threads ends with ServerError."""
        self._closed = True
        for client in list(self._clients):
            client.close()
        self._server.stop()

    @property
    def max_model_len(self) -> int:
        """Tokens of the model's context."""
        return self._info["model_max_length"]

    @property
    def eos_token_id(self) -> int | None:
        return self._info.get("eos_token_id")

    @property
    def url(self) -> str:
        """Of the server, for other clients; `api_key` is what they have to send."""
        return self._server.url

    @property
    def api_key(self) -> str:
        return self._server.key

    def tokenize(self, text: str) -> list[int]:
        return self._ask("/tokenize", {"prompt": text})["tokens"] if text else []

    def detokenize(self, token_ids: Sequence[int]) -> str:
        return self._ask("/detokenize", {"tokens": list(token_ids)})["prompt"]

    def generate(self, prompts: Prompt | Sequence[Prompt],
                 sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
                 use_tqdm: bool = False) -> list[RequestOutput]:
        """Texts that go on with each prompt, in the order of the prompts.

        sampling_params  for all prompts, or one for each; None: the model's own defaults
        use_tqdm         a progress bar by tqdm, where that is installed
        Raises RequestError for what the server refuses, ServerError where it has failed.
        """
        asked = _prompts_of(prompts)
        if isinstance(sampling_params, Sequence) and not isinstance(sampling_params, str):
            params = [_params_of("generate", one) for one in sampling_params]
        else:
            params = [_params_of("generate", sampling_params)] * len(asked)
        if len(params) != len(asked):
            raise ValueError(f"generate: there are {len(asked)} prompts and {len(params)} sampling_params; give one "
                             "for all, or as many as prompts")
        return self._in_parallel(list(self._completion_parts(asked, params)), self._complete,
                                 len(asked) if use_tqdm else None)

    def stream(self, prompt: Prompt, sampling_params: SamplingParams | None = None) -> Iterator[CompletionOutput]:
        """The texts of one prompt as they come: each CompletionOutput has what is new (its text is often empty), and
        the last of each text its finish_reason. Closing the iterator ends the work."""
        (asked,) = _prompts_of([prompt])
        asked, fields = self._fields(asked, _params_of("stream", sampling_params))
        body = {**fields, **_IDS, "prompt": asked, "stream": True}
        for event in self._client().stream("/v1/completions", body):
            for choice in event["choices"]:
                yield results.completion_of(choice, choice["index"], fields.get("logprobs"))

    def score(self, texts: Prompt | Sequence[Prompt], continuations: str | Sequence[str] | None = None,
              use_tqdm: bool = False) -> list[ScoreOutput]:
        """How likely each text is to the model; with `continuations`, how likely each of them is behind its text,
        cut into tokens as lm-evaluation-harness does. A text may be as long as the context less one token."""
        asked = _prompts_of(texts)
        contexts = [0] * len(asked)
        if continuations is not None:
            behind = [continuations] if isinstance(continuations, str) else list(continuations)
            if len(behind) != len(asked):
                raise ValueError(f"score: there are {len(asked)} texts and {len(behind)} continuations; give as many")
            pairs = [self._encode_pair(context, one) for context, one in zip(asked, behind)]
            asked = [context + one for context, one in pairs]
            contexts = [len(context) for context, _ in pairs]
        return self.score_tokens(asked, contexts, use_tqdm)

    def score_tokens(self, prompts: Sequence[Prompt], context_tokens: Sequence[int],
                     use_tqdm: bool = False) -> list[ScoreOutput]:
        """The same of what is behind so many tokens of each prompt."""
        asked, contexts = _prompts_of(prompts), list(context_tokens)
        if len(asked) != len(contexts):
            raise ValueError(f"score_tokens: there are {len(asked)} prompts and {len(contexts)} context_tokens; "
                             "give as many")
        body = {**_IDS, "echo": True, "max_tokens": 0, "prompt_logprobs": 1, "temperature": 0}
        parts = [({**body, "prompt": [prompt for prompt, _ in part]}, part)
                 for part in _parts(list(zip(asked, contexts)), _PROMPTS_PER_REQUEST)]

        def ask(work: tuple[dict[str, Any], list[tuple[Any, int]]], client: HttpClient) -> list[ScoreOutput]:
            choices = self._ask("/v1/completions", work[0], client)["choices"]
            return [results.score_of(choice, context) for choice, (_, context) in zip(choices, work[1])]

        return self._in_parallel(parts, ask, len(contexts) if use_tqdm else None)

    def embed(self, prompts: Prompt | Sequence[Prompt], use_tqdm: bool = False) -> list[EmbeddingRequestOutput]:
        """A vector of each text: the hidden states of the layer and with the pooling that the settings
        embed.layer and embed.pooling name."""
        asked = _prompts_of(prompts)

        def ask(part: list[Any], client: HttpClient) -> list[EmbeddingRequestOutput]:
            data = self._ask("/v1/embeddings", {"input": part}, client)["data"]
            return [EmbeddingRequestOutput(self._next_id(), EmbeddingOutput(one["embedding"])) for one in data]

        return self._in_parallel(list(_parts(asked, _PROMPTS_PER_REQUEST)), ask, len(asked) if use_tqdm else None)

    def _client(self) -> HttpClient:
        """One for each call that may be broken off."""
        if self._closed:
            raise ServerError(_CLOSED)
        client = HttpClient(self._server.url, self._server.key)
        self._clients.add(client)
        return client

    def _next_id(self) -> str:
        return str(next(self._numbers))

    def _ask(self, path: str, body: Any = None, client: HttpClient | None = None) -> Any:
        try:
            return (client or self._http).ask(path, body)
        except ServerError as error:
            if self._closed:
                raise ServerError(_CLOSED) from error
            if self._server.running():
                raise
            raise ServerError(f"{error}; it said: {self._server.complaint()}") from error

    def _fields(self, prompt: Any, params: SamplingParams | None) -> tuple[Any, dict[str, Any]]:
        """The prompt as it is sent, and the fields of its request."""
        fields = {} if params is None else params.fields()
        if params is not None and params.max_tokens is None:  # as many as the context holds
            prompt = self.tokenize(prompt) if isinstance(prompt, str) else prompt
            fields["max_tokens"] = max(1, self.max_model_len - len(prompt))
        return prompt, fields

    def _completion_parts(self, prompts: list[Any], params: list[SamplingParams | None]) -> Iterator[dict[str, Any]]:
        """Bodies of requests: prompts that follow each other with the same fields share one."""
        asked = [(*self._fields(prompt, one), prompt) for prompt, one in zip(prompts, params)]
        for fields, group in itertools.groupby(asked, key=lambda one: one[1]):
            for part in _parts(list(group), _PROMPTS_PER_REQUEST):
                yield {"given": [prompt for _, _, prompt in part],
                       "body": {**fields, **_IDS, "prompt": [sent for sent, _, _ in part]}}

    def _complete(self, work: dict[str, Any], client: HttpClient) -> list[RequestOutput]:
        body, given = work["body"], work["given"]
        choices = self._ask("/v1/completions", body, client)["choices"]
        n = len(choices) // len(given)
        made = []
        for prompt, part in zip(given, _parts(choices, n)):
            texts = [results.completion_of(choice, index, body.get("logprobs")) for index, choice in enumerate(part)]
            made.append(RequestOutput(self._next_id(), prompt if isinstance(prompt, str) else None,
                                      part[0]["prompt_token_ids"], texts, results.prompt_logprobs_of(part[0])))
        return made

    def _encode_pair(self, context: Any, continuation: str) -> tuple[list[int], list[int]]:
        if not isinstance(context, str):
            return list(context), self.tokenize(continuation)
        alone = context.rstrip()
        if not alone:
            raise RequestError("score: a text is empty or white space; expected something that its continuation "
                               "follows on, such as the token that begins texts, \"<|endoftext|>\"")
        whole, before = self.tokenize(context + continuation), len(self.tokenize(alone))
        if before >= len(whole):
            raise RequestError("score: a continuation leaves no token of its own behind its text; lengthen it")
        return whole[:before], whole[before:]

    def _in_parallel(self, parts: list[Any], ask: Any, shown: int | None) -> list[Any]:
        """What `ask` makes of each part, as one list; several at once. An interrupt or an error ends the others, too.
        `shown`: a progress bar for so many results."""
        bar = None if shown is None else _bar(shown)
        client = self._client()
        pool = concurrent.futures.ThreadPoolExecutor(_REQUESTS_AT_ONCE)
        futures = [pool.submit(ask, part, client) for part in parts]
        try:
            for future in concurrent.futures.as_completed(futures):
                made = future.result()
                if bar is not None:
                    bar.update(len(made))
            return [one for future in futures for one in future.result()]
        finally:
            client.close()
            pool.shutdown(wait=True, cancel_futures=True)
            if bar is not None:
                bar.close()


def _one(name: str, long: int | None, short: int | None) -> int | None:
    if long is not None and short is not None and long != short:
        raise TypeError(f"LLM: {name} is {short}, and its long name says {long}; give one of them")
    return long if short is None else short


def _setting(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _params_of(method: str, params: Any) -> SamplingParams | None:
    if params is None or isinstance(params, SamplingParams):
        return params
    raise TypeError(f"{method}: sampling_params has {params!r}; expected SamplingParams(...)" +
                    (", or a list of them, one for each prompt" if method == "generate" else ""))


def _prompts_of(prompts: Any) -> list[Any]:
    """Texts and lists of token ids, of all the forms in which prompts may be given."""
    if isinstance(prompts, (str, dict, *_BYTES)):
        prompts = [prompts]
    try:
        prompts = list(prompts)
    except TypeError:
        raise TypeError(f"the prompts are {prompts!r}; expected a text, a list of token ids, or a list of "
                        "prompts") from None
    if prompts and isinstance(prompts[0], numbers.Integral):
        prompts = [prompts]
    return [_prompt_of(one) for one in prompts]


def _prompt_of(prompt: Any) -> Any:
    if isinstance(prompt, dict):
        found = prompt.get("prompt_token_ids", prompt.get("prompt"))
        if found is None:
            raise TypeError("a prompt is a dict without \"prompt\" and \"prompt_token_ids\"; expected one of them")
        prompt = found
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, _BYTES):  # else a list of numbers, which would be taken for ids
        raise TypeError(f"a prompt is {prompt!r}; expected a text or a list of token ids: decode the bytes")
    try:
        return [operator.index(token) for token in prompt]
    except TypeError:
        raise TypeError(f"a prompt is {prompt!r}; expected a text or a list of token ids") from None


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for begin in range(0, len(items), size):
        yield items[begin:begin + size]


def _bar(total: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc="lockstep", unit="text")
