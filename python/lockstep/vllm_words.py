"""Keywords of vLLM that there are none of here, with what to do instead."""

_OF_LLM = {
    "gpu_memory_utilization": 'settings={"engine.memory_fraction": 0.9} is the part of the free memory for the cache',
    "max_model_len": 'the context is the model\'s; settings={"engine.cache_tokens": N} bounds the memory of the cache',
    "max_num_seqs": 'give settings={"engine.max_sequences": N}',
    "max_num_batched_tokens": 'give settings={"engine.max_step_tokens": N}',
    "quantization": 'dtype="int8" or "int4", or "fp8" on GPUs, quantises the weights while they are loaded',
    "kv_cache_dtype": 'give settings={"model.cache_dtype": "bf16"}',
    "enable_prefix_caching": 'it is on; settings={"engine.prefix_cache": False} turns it off',
    "enforce_eager": 'settings={"parallel.cuda_graphs": "off"} calls each operation of a GPU by itself',
    "revision": 'name it with the model: "org/name@revision"',
    "download_dir": 'nothing is downloaded; env={"HF_HUB_CACHE": ...} names the cache',
    "trust_remote_code": "no code of a checkpoint is run; leave it out",
    "seed": "it belongs to SamplingParams",
}
_OF_SAMPLING = {
    "detokenize": "every output has its text and its token_ids",
    "bad_words": "allowed_token_ids and logit_bias keep tokens from being chosen",
    "guided_decoding": "texts are not held to a form",
    "structured_outputs": "texts are not held to a form",
    "logits_processors": "logit_bias and allowed_token_ids are what is there",
}


def refuse_llm(names) -> None:
    _refuse("LLM", names, _OF_LLM)


def refuse_sampling(names) -> None:
    _refuse("SamplingParams", names, _OF_SAMPLING)


def _refuse(where: str, names, advice: dict[str, str]) -> None:
    """Raises TypeError for the first name, as Python does for a keyword that is not known."""
    for name in names:
        words = f"; {advice[name]}" if name in advice else f"; help(lockstep.{where}) lists all"
        raise TypeError(f"{where}: there is no {name!r} here{words}")
