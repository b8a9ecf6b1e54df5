"""Lockstep from Python: a model on ranks of their own, with the names of vLLM's offline class.

    import lockstep

    with lockstep.LLM("shakespeare-neox", tp=2) as llm:
        for output in llm.generate(["ROMEO:", "JULIET:"], lockstep.SamplingParams(max_tokens=40)):
            print(output.prompt, output.outputs[0].text)
"""
from lockstep.errors import LockstepError, RequestError, ServerError, StartError
from lockstep.llm import LLM
from lockstep.outputs import (CompletionOutput, EmbeddingOutput, EmbeddingRequestOutput, Logprob,
                              RequestOutput, ScoreOutput)
from lockstep.program import find_program
from lockstep.sampling_params import SamplingParams

__version__ = "0.1.0"
__all__ = ["LLM", "SamplingParams", "RequestOutput", "CompletionOutput", "Logprob", "ScoreOutput",
           "EmbeddingRequestOutput", "EmbeddingOutput", "LockstepError", "StartError", "RequestError",
           "ServerError", "find_program"]
