"""What `lockstep serve` answers against the description that it serves at /openapi.json."""
import json
import pathlib
import tempfile
import unittest
import urllib.error
import urllib.request

import jsonschema

import served

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
SMALL = {"max_tokens": 2, "seed": 1}
GOOD = {
    "/v1/completions": [
        {"prompt": "ROMEO:", **SMALL},
        {"prompt": ["A", "B"], **SMALL, "n": 2, "logprobs": 2, "echo": True},
        {"prompt": [[5, 6], [7]], **SMALL, "stop": ["x"], "logit_bias": {"3": -1}, "user": "me"},
        {"prompt": ["A", "B"], **SMALL, "prompt_logprobs": 1, "return_token_ids": True, "logprobs": 1,
         "return_tokens_as_token_ids": True},
        {"prompt": "A", "max_tokens": 2, "seed": -1, "top_p": 0, "temperature": 1e-9, "suffix": "", "bad_words": []},
        {"prompt": "A", "max_tokens": 2, "seed": -7, "early_stopping": "never", "stream_options": None},
        {"prompt": [1055], **SMALL, "top_k": 1 << 40, "stop": "x", "stop_token_ids": [5], "include_stop_str_in_output": True},
        {"prompt": "A", "max_tokens": 8, "stop_token_ids": list(range(1024)), "logprobs": 1024},
        {"prompt": "A", **SMALL, "prompt_logprobs": 2.0, "logit_bias": {"07": 1}},
        {"prompt": [5, 6], "max_tokens": None, "stream": None, "temperature": 0, "model": "bard"},
    ],
    "/v1/chat/completions": [
        {"messages": [{"role": "user", "content": "ROMEO:"}], **SMALL},
        {"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": None}], **SMALL},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "O"}]}], **SMALL,
         "logprobs": True, "top_logprobs": 2.0, "n": 2},
    ],
    "/v1/load": [{"model": str(served.demo_model())}],
    "/v1/embeddings": [{"input": "ROMEO"}, {"input": [[5, 6], [7]], "encoding_format": "base64"}],
    "/tokenize": [{"prompt": ""}, {"prompt": "ROMEO"}],
    "/detokenize": [{"tokens": []}, {"tokens": [5, 6.0]}],
}
BAD = {
    "/v1/completions": [{"prompt": "a", "stream_options": {"include_usage": True}},
                        {"prompt": "a", "stream": False, "stream_options": {}}, {"prompt": "a", "suffix": "b"},
                        {"prompt": "a", "stop": ""}, {"prompt": "a", "logit_bias": {"x": 1}},
                        {"prompt": "a", "logit_bias": {"1": 101}}, {"prompt": "a", "bad_words": ["b"]}, {"prompt": "a", "bad_words": {}},
                        {"prompt": [1056]}, {"prompt": "a", "logprobs": 1025}, {"prompt": "a", "top_k": 1 << 63},
                        {"prompt": "a", "logit_bias": {"-0": 1}}, {"prompt": "a", "prompt_logprobs": -1},
                        {"prompt": "a", "echo": True, "logprobs": 1, "prompt_logprobs": -1},
                        {"prompt": "a", "include_stop_str_in_output": 1}, {"prompt": "a", "stop_token_ids": [99999]},
                        {"prompt": "a", "repetition_penalty": 0}, {"prompt": "a", "early_stopping": 3},
                        {}, {"prompt": 5}, {"prompt": []}, {"prompt": "a", "n": 0}, {"prompt": "a", "n": "1"},
                        {"prompt": "a", "temperature": -1}, {"prompt": "a", "stream": 1},
                        {"prompt": "a", "max_tokens": 1.5}, {"prompt": "a", "top_p": 2},
                        {"prompt": "a", "stop": 5}, {"prompt": "a", "logit_bias": {"1": "x"}}, 5],
    "/v1/chat/completions": [{}, {"messages": []}, {"messages": [{"content": "x"}]}, {"messages": [{"role": "user"}]},
                             {"messages": [{"role": "user", "content": None}]},
                             {"messages": [{"role": "user", "content": 5}]},
                             {"messages": [{"role": "user", "content": "x"}], "logprobs": 3}],
    "/v1/load": [{}, {"model": 5}, {"model": ""}, {"model": "a/b", "more": 1}],
    "/v1/embeddings": [{"input": "a", "dimensions": 2}, {}, {"input": 5}, {"input": []}, {"input": "a", "encoding_format": "x"}],
    "/tokenize": [{}, {"prompt": 5}],
    "/detokenize": [{}, {"tokens": ["a"]}, {"tokens": [-1]}, {"tokens": [99999]}],
}


def setUpModule():
    global server, document
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    template = pathlib.Path(folder.name, "chat.jinja")
    template.write_text(TEMPLATE)
    server = served.Server("--model", served.demo_model(), "--served-model-name", "bard", "--threads", "1",
                           "--chat-template", str(template), "--allow-load")
    server.__enter__()
    unittest.addModuleCleanup(server.__exit__, None, None, None)
    document = json.loads(server.get("/openapi.json"))


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.headers.get_content_type(), reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read().decode()


def validator(schema):
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def schema_of_request(path):
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


class OpenApi(unittest.TestCase):
    def check(self, path, method, body=None, model="bard"):
        status, kind, text = ask(path.replace("{model}", model), body)
        responses = document["paths"][path][method]["responses"]
        self.assertIn(str(status), responses, (path, body, text))
        content = responses[str(status)].get("content")
        if content is None:
            self.assertEqual(text, "")
            return status
        self.assertIn(kind, content, (path, body))
        if kind == "application/json":
            validator(content[kind]["schema"]).validate(json.loads(text))
        return status

    def test_schemas_are_schemas(self):
        for schema in document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_every_answer_is_as_described(self):
        asked = set()
        for path, methods in document["paths"].items():
            if "get" in methods:
                self.assertEqual(self.check(path, "get"), 200, path)
            for body in GOOD.get(path, []):
                with self.subTest(path=path, body=body):
                    validator(schema_of_request(path)).validate(body)
                    self.assertEqual(self.check(path, "post", body), 200)
                    asked.add(path)
        self.assertEqual(asked, {path for path, methods in document["paths"].items() if "post" in methods})

    def test_a_model_that_is_not_there_is_answered_as_described(self):
        for other in ("other", "bard/x", "a%20b", "%ff", ""):
            self.assertEqual(self.check("/v1/models/{model}", "get", model=other), 404, other)

    def test_what_is_not_as_described_is_refused(self):
        for path, bodies in BAD.items():
            for body in bodies:
                with self.subTest(path=path, body=body):
                    self.assertFalse(validator(schema_of_request(path)).is_valid(body))
                    self.assertEqual(self.check(path, "post", body), 400)


if __name__ == "__main__":
    unittest.main()
