"""The `openai` package against `lockstep serve`."""
import asyncio
import json
import os
import pathlib
import shutil
import signal
import tempfile
import unittest

import openai

import served

PROMPT = "ROMEO:"
PROMPTS = ["ROMEO:\n", "JULIET:\n", "The king", "O, "]


def setUpModule():
    global server, client
    server = served.Server("--model", served.demo_model(), "--served-model-name", "bard",
                           "--threads", "1")
    server.__enter__()
    unittest.addModuleCleanup(server.__exit__, None, None, None)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    unittest.addModuleCleanup(client.close)


def complete(prompt, **more):
    return client.completions.create(model="bard", prompt=prompt, **more)


def streamed(prompt, **more) -> str:
    return "".join(chunk.choices[0].text for chunk in complete(prompt, stream=True, **more)
                   if chunk.choices)


class Names(unittest.TestCase):
    def test_of_requests_are_made_or_those_of_the_client(self):
        made = complete(PROMPT, max_tokens=1)
        self.assertRegex(made._request_id, "^[0-9a-f]{32}$")
        self.assertEqual(made.id, f"cmpl-{made._request_id}")
        mine = complete(PROMPT, max_tokens=1, extra_headers={"X-Request-Id": "mine"})
        self.assertEqual((mine._request_id, mine.id), ("mine", "cmpl-mine"))

    def test_of_models_are_known_or_not(self):
        self.assertEqual(client.models.retrieve("bard").id, "bard")
        with self.assertRaises(openai.NotFoundError) as refused:
            client.models.retrieve("EleutherAI/other")
        self.assertEqual(refused.exception.body["type"], "not_found_error")
        self.assertIn('"EleutherAI/other" does not exist', refused.exception.body["message"])


class Completions(unittest.TestCase):
    def test_give_the_text_that_generate_gives(self):
        expected = served.run("generate", "--model", served.demo_model(), "--prompt", PROMPT,
                              "--max-new-tokens", "24", "--temperature", "0")
        reply = complete(PROMPT, max_tokens=24, temperature=0)
        self.assertEqual(reply.choices[0].text + "\n", expected)
        self.assertEqual(reply.object, "text_completion")
        self.assertEqual(reply.model, "bard")
        self.assertEqual(reply.choices[0].finish_reason, "length")
        self.assertEqual(reply.usage.completion_tokens, 24)
        self.assertEqual(reply.usage.total_tokens, reply.usage.prompt_tokens + 24)

    def test_are_streamed_token_by_token(self):
        chunks = list(complete(PROMPT, max_tokens=24, temperature=0, stream=True,
                               stream_options={"include_usage": True}))
        whole = complete(PROMPT, max_tokens=24, temperature=0)
        self.assertEqual("".join(c.choices[0].text for c in chunks[:-1]), whole.choices[0].text)
        self.assertEqual(len(chunks), 25)
        self.assertEqual({chunk.id for chunk in chunks}, {chunks[0].id})
        self.assertEqual(chunks[-2].choices[0].finish_reason, "length")
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage, whole.usage)

    def test_of_a_list_of_prompts_come_in_its_order(self):
        texts = [complete(one, max_tokens=12, temperature=0).choices[0].text for one in PROMPTS]
        reply = complete(PROMPTS, max_tokens=12, temperature=0)
        self.assertEqual([choice.index for choice in reply.choices], [0, 1, 2, 3])
        self.assertEqual([choice.text for choice in reply.choices], texts)
        parts = [""] * 4
        for chunk in complete(PROMPTS, max_tokens=12, temperature=0, stream=True):
            for choice in chunk.choices:
                parts[choice.index] += choice.text
        self.assertEqual(parts, texts)

    def test_take_tokens_for_texts(self):
        def tokens_of(text):
            reply = client.post(server.url + "/tokenize", body={"prompt": text}, cast_to=object)
            return reply["tokens"]

        expected = complete(PROMPTS[:2], max_tokens=12, temperature=0)
        lists = [tokens_of(text) for text in PROMPTS[:2]]
        self.assertEqual(complete(lists, max_tokens=12, temperature=0).choices, expected.choices)
        self.assertEqual(complete(lists[0], max_tokens=12, temperature=0).choices[0].text,
                         expected.choices[0].text)

    def test_have_several_samples_of_each_prompt(self):
        reply = complete(PROMPTS[:2], max_tokens=8, temperature=1, seed=3, n=3)
        self.assertEqual([choice.index for choice in reply.choices], list(range(6)))
        self.assertGreater(len({choice.text for choice in reply.choices}), 3)
        self.assertEqual(reply.usage.completion_tokens, 48)

    def test_end_at_a_stop_text(self):
        whole = complete(PROMPT, max_tokens=60, temperature=0).choices[0].text
        stop = whole[20:24]
        reply = complete(PROMPT, max_tokens=60, temperature=0, stop=[stop, "\0"])
        self.assertEqual(reply.choices[0].text, whole[:whole.index(stop)])
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertEqual(reply.choices[0].stop_reason, stop)
        self.assertEqual(streamed(PROMPT, max_tokens=60, temperature=0, stop=stop),
                         whole[:whole.index(stop)])
        self.assertEqual(streamed(PROMPT, max_tokens=60, temperature=0, stop=stop,
                                  extra_body={"include_stop_str_in_output": True}),
                         whole[:whole.index(stop) + len(stop)])

    def test_obey_the_extras_of_vllm(self):
        plain = complete(PROMPT, max_tokens=16, temperature=0).choices[0].text
        only = complete(PROMPT, max_tokens=16, temperature=1, extra_body={"top_k": 1})
        self.assertEqual(only.choices[0].text, plain)
        long = complete(PROMPT, max_tokens=100, temperature=1,
                        extra_body={"ignore_eos": True, "min_tokens": 100})
        self.assertEqual(long.usage.completion_tokens, 100)


class Logprobs(unittest.TestCase):
    def test_of_prompt_and_continuation_are_those_that_score_gives(self):
        reply = complete(PROMPT, max_tokens=5, temperature=0, logprobs=2, echo=True)
        choice = reply.choices[0]
        self.assertTrue(choice.text.startswith(PROMPT))
        found = choice.logprobs
        count = reply.usage.total_tokens
        for row in (found.tokens, found.token_logprobs, found.top_logprobs, found.text_offset):
            self.assertEqual(len(row), count)
        self.assertEqual("".join(found.tokens), choice.text)
        self.assertIsNone(found.token_logprobs[0])
        self.assertIsNone(found.top_logprobs[0])
        again = complete(choice.text, max_tokens=0, logprobs=2, echo=True)
        for one, other in zip(found.token_logprobs[1:], again.choices[0].logprobs.token_logprobs[1:]):
            self.assertAlmostEqual(one, other, places=5)
        for token, logprob, top in zip(found.tokens[1:], found.token_logprobs[1:],
                                       found.top_logprobs[1:]):
            self.assertEqual(top[token], logprob)
            self.assertIn(len(top), (2, 3))

    def test_are_streamed_as_they_are_given_whole(self):
        asked = {"max_tokens": 10, "temperature": 0, "logprobs": 3, "echo": True}
        whole = complete(PROMPT, **asked).choices[0].logprobs
        tokens, values = [], []
        for chunk in complete(PROMPT, stream=True, **asked):
            tokens += chunk.choices[0].logprobs.tokens
            values += chunk.choices[0].logprobs.token_logprobs
        self.assertEqual(tokens, whole.tokens)
        self.assertEqual(values, whole.token_logprobs)


class ManyAtOnce(unittest.TestCase):
    def test_get_each_its_own_text(self):
        alone = [streamed(PROMPTS[i % 4], max_tokens=20, temperature=1, seed=i) for i in range(32)]

        async def one(caller, i) -> str:
            asked = {"model": "bard", "prompt": PROMPTS[i % 4], "max_tokens": 20, "seed": i,
                     "temperature": 1}
            if i % 2:
                return (await caller.completions.create(**asked)).choices[0].text
            stream = await caller.completions.create(stream=True, **asked)
            return "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])

        async def together() -> list[str]:
            async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="any",
                                          max_retries=0) as caller:
                return await asyncio.gather(*(one(caller, i) for i in range(32)))

        self.assertEqual(asyncio.run(together()), alone)
        self.assertGreater(len(set(alone)), 16)

    def test_are_cancelled_with_the_clients_that_leave(self):
        stream = complete(["a", "b"], max_tokens=240, n=20, stream=True,
                          extra_body={"ignore_eos": True})
        next(iter(stream))
        server.await_metric("num_requests_running", 2)
        stream.close()
        server.await_metric("num_requests_running", 0)
        self.assertEqual(server.metric("requests_cancelled_total"), 2)


class Errors(unittest.TestCase):
    def refused(self, **asked) -> openai.BadRequestError:
        with self.assertRaises(openai.BadRequestError) as caught:
            client.completions.create(**{"model": "bard", "prompt": "a", **asked})
        self.assertEqual(caught.exception.status_code, 400)
        self.assertEqual(caught.exception.body["type"], "invalid_request_error")
        return caught.exception

    def test_name_the_field(self):
        self.assertEqual(self.refused(temperature=-1).param, "temperature")
        self.assertEqual(self.refused(max_tokens="many").param, "max_tokens")
        self.assertEqual(self.refused(logprobs=True).param, "logprobs")
        self.assertEqual(self.refused(prompt=[]).param, "prompt")
        self.assertEqual(self.refused(stream=True, n=0).param, "n")

    def test_of_too_long_a_prompt_say_what_clients_look_for(self):
        self.assertIn("maximum context length is 256 tokens",
                      str(self.refused(prompt="word " * 300)))

    def test_of_another_model_are_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            client.completions.create(model="other", prompt="a")

    def test_list_the_model(self):
        self.assertEqual([model.id for model in client.models.list()], ["bard"])


class Overload(unittest.TestCase):
    def test_is_waited_out_by_a_client_that_tries_again(self):
        with served.Server("--model", served.demo_model(), "--max-queue", "1", "--threads",
                           "1") as busy:
            one = openai.OpenAI(base_url=busy.url + "/v1", api_key="any", max_retries=0)
            model = one.models.list().data[0].id
            stream = one.completions.create(model=model, prompt="a", n=20, max_tokens=200,
                                            stream=True, extra_body={"ignore_eos": True})
            next(iter(stream))
            with self.assertRaises(openai.InternalServerError) as caught:
                one.completions.create(model=model, prompt="b", max_tokens=1)
            self.assertEqual(caught.exception.status_code, 503)
            self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)
            reply = one.with_options(max_retries=30).completions.create(model=model, prompt="b",
                                                                        max_tokens=1)
            self.assertEqual(reply.usage.completion_tokens, 1)
            stream.close()
            one.close()


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun")
class Faults(unittest.TestCase):
    def test_are_a_pause_to_the_client(self):
        with served.Server("--model", served.demo_model(), "--tp", "2", "--threads", "1") as faulty, \
                openai.OpenAI(base_url=faulty.url + "/v1", api_key="any", max_retries=0) as one:
            model = one.models.list().data[0].id
            expected = one.completions.create(model=model, prompt=PROMPT, max_tokens=200, seed=7,
                                              temperature=1, extra_body={"ignore_eos": True})
            stream = one.completions.create(model=model, prompt=PROMPT, max_tokens=200, seed=7,
                                            temperature=1, extra_body={"ignore_eos": True},
                                            stream=True)
            text = next(stream).choices[0].text
            os.kill(faulty.rank(1), signal.SIGKILL)
            text += "".join(chunk.choices[0].text for chunk in stream)
            self.assertEqual(text, expected.choices[0].text)
            faulty.await_metric("group_restarts_total", 1)


class Keys(unittest.TestCase):
    def test_are_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "key")
            file.write_text("sesame\n")
            with served.Server("--model", served.demo_model(), "--api-key-file", str(file),
                               "--threads", "1") as closed:
                for key, allowed in (("sesame", True), ("simsim", False)):
                    with openai.OpenAI(base_url=closed.url + "/v1", api_key=key,
                                       max_retries=0) as one:
                        if allowed:
                            self.assertEqual(len(one.models.list().data), 1)
                            continue
                        with self.assertRaises(openai.AuthenticationError):
                            one.models.list()


class Chats(unittest.TestCase):
    """With a template that gives the contents alone, so that a chat is a completion."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        template = pathlib.Path(folder.name, "chat.jinja")
        template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
        chatting = served.Server("--model", served.demo_model(), "--served-model-name", "bard",
                                 "--threads", "1", "--chat-template", str(template))
        chatting.__enter__()
        cls.addClassCleanup(chatting.__exit__, None, None, None)
        cls.client = openai.OpenAI(base_url=chatting.url + "/v1", api_key="any", max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def chat(self, **more):
        messages = [{"role": "user", "content": PROMPT}]
        return self.client.chat.completions.create(model="bard", messages=messages, max_tokens=12,
                                                   temperature=0, **more)

    def test_give_the_text_of_the_completion(self):
        expected = complete(PROMPT, max_tokens=12, temperature=0)
        reply = self.chat(logprobs=True, top_logprobs=2)
        self.assertEqual(reply.choices[0].message.content, expected.choices[0].text)
        self.assertEqual(reply.choices[0].message.role, "assistant")
        self.assertEqual(reply.usage, expected.usage)
        tokens = reply.choices[0].logprobs.content
        self.assertEqual(b"".join(bytes(one.bytes) for one in tokens).decode(), expected.choices[0].text)
        self.assertEqual({len(one.top_logprobs) for one in tokens}, {2})

    def test_are_streamed(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, self.chat().choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, 12)

    def test_need_a_template(self):
        with self.assertRaisesRegex(openai.BadRequestError, "no chat template"):
            client.chat.completions.create(model="bard", messages=[{"role": "user", "content": "x"}])

    def test_refuse_tools(self):
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        with self.assertRaisesRegex(openai.BadRequestError, "tools are not supported"):
            self.chat(tools=[tool])


class Embeddings(unittest.TestCase):
    def test_are_those_of_embed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as lines:
            lines.write('{"text": "ROMEO:"}\n{"text": "O, "}\n')
            lines.flush()
            printed = served.run("embed", "--model", served.demo_model(), "--input", lines.name,
                                 "--threads", "1")
        expected = [json.loads(line)["embedding"] for line in printed.splitlines()]
        for encoding in ({}, {"encoding_format": "float"}):  # the client asks for base64 by itself
            reply = client.embeddings.create(model="bard", input=["ROMEO:", "O, "], **encoding)
            self.assertEqual([one.index for one in reply.data], [0, 1])
            for one, vector in zip(reply.data, expected):
                self.assertEqual(len(one.embedding), len(vector))
                for a, b in zip(one.embedding, vector):
                    self.assertAlmostEqual(a, b, places=4)
        self.assertEqual(reply.usage.prompt_tokens, reply.usage.total_tokens)


if __name__ == "__main__":
    unittest.main()
