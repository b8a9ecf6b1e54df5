"""The page at "/" as people use it, in a real browser on a real server with a bundled model.

    page_test.py --program build/release/lockstep --model models/shakespeare-neox
"""

import json
import shlex
import sys
import tempfile
import types
import unittest

import served_page
from served_page import options

served_page.skip_without_browser("page")

from selenium.webdriver.common.keys import Keys

PROMPT = "ROMEO:\nWhat light"


class PageTest(served_page.BrowserTest):
    """Each test begins with the page as a new visitor finds it."""

    @classmethod
    def setUpClass(cls):
        cls.server = served_page.Server(options.program, options.model, "--tp", "2", "--top-k", "40")
        cls.own_addresses = (cls.server.url,)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.stop()

    def setUp(self):
        super().setUp()
        self.page.open(self.server.url)

    def write(self, prompt=PROMPT, **settings):
        self.page.click("ignore-end")  # so that it has as many tokens as are asked for
        for name, value in settings.items():
            self.page.fill(f"setting-{name}", value)
        self.page.find("text").send_keys(prompt)

    def go_on(self):
        self.page.click("continue")
        return self.page.await_end()

    def test_a_prompt_is_continued_behind_itself_token_by_token(self):
        page = self.page
        self.write(max_tokens=40)
        page.at_token(3, "document.body.dataset.early = document.getElementById('text').value")
        page.press(Keys.CONTROL, Keys.ENTER)
        text = page.await_end()
        early = page.run("return document.body.dataset.early")
        self.assertTrue(early.startswith(PROMPT))
        self.assertTrue(text.startswith(early))
        self.assertLess(len(early), len(text))
        self.assertEqual(PROMPT + "".join(page.tokens()), text)
        self.assertIn("40 tokens", page.status)
        page.press("!")
        self.assertEqual(page.text, text + "!", "the text is one that can be edited")

    def test_stop_ends_it_at_once(self):
        page = self.page
        self.write(max_tokens=200)
        page.at_token(5, "document.getElementById('stop').click()")
        page.click("continue")
        page.await_end()
        self.assertIn("stopped", page.status)
        self.assertLess(len(page.tokens()), 20)
        page.wait(lambda: self.server.metric("num_requests_running") == 0)

    def test_controls_show_the_servers_defaults_and_send_what_differs(self):
        page = self.page
        defaults = json.loads(self.server.ask("/v1/defaults"))["sampling"]
        self.assertEqual(defaults["top_k"], 40)
        for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"):
            self.assertEqual(float(page.find(f"setting-{name}").get_property("value")), defaults[name], name)
        self.write(temperature=0, max_tokens=24)
        text = self.go_on()
        greedy = json.loads(self.server.ask("/v1/completions", {"prompt": PROMPT, "temperature": 0, "max_tokens": 24}))
        self.assertEqual(text, PROMPT + greedy["choices"][0]["text"])
        page.find("setting-temperature").send_keys(Keys.ARROW_UP)
        self.assertEqual(page.find("setting-temperature").get_property("value"), "0.05")
        reset = page.all("#sampling .default")[1]
        self.assertEqual(reset.text, f"reset to {defaults['temperature']:g}")
        reset.click()
        self.assertEqual(page.find("setting-temperature").get_property("value"), f"{defaults['temperature']:g}")

    def test_stop_strings_end_a_text(self):
        page = self.page
        self.write("ROMEO:", temperature=0, max_tokens=60)
        page.fill("stop-strings", "\\n")
        text = self.go_on()
        self.assertNotIn("\n", text)
        self.assertIn("the text has ended", page.status)

    def test_an_alternative_under_the_pointer_is_chosen_and_continued(self):
        page = self.page
        self.write(max_tokens=30, seed=5)
        self.go_on()
        tokens = page.tokens()
        at = next(i for i in range(8, 30) if tokens[i].strip())  # a line's end has no width
        page.hover(page.all("#mirror .token")[at])
        page.wait(lambda: page.find("alternatives").is_displayed())
        others = [one for one in page.all("#alternatives button:enabled") if "chosen" not in one.get_attribute("class")]
        marks = others[0].find_element("css selector", "code").get_property("textContent")
        others[0].click()
        text = page.await_end()
        alternative = marks.replace("·", " ").replace("⏎", "\n").replace("⇥", "\t")
        self.assertTrue(text.startswith(PROMPT + "".join(tokens[:at]) + alternative), (tokens, marks, text))
        self.assertEqual(len(page.tokens()), at + 1 + 30)
        page.click("undo")
        self.assertEqual(page.text, PROMPT + "".join(tokens))

    def test_regenerate_writes_another_continuation_and_undo_brings_the_first_back(self):
        page = self.page
        self.write(max_tokens=40)
        first = self.go_on()
        page.click("regenerate")
        second = page.await_end()
        self.assertTrue(second.startswith(PROMPT))
        self.assertNotEqual(first, second)
        page.click("undo")
        self.assertEqual(page.text, first)
        page.click("undo")
        self.assertEqual(page.text, PROMPT)
        page.click("redo")
        self.assertEqual(page.text, first)

    def test_everything_is_done_by_keyboard(self):
        page = self.page
        page.run("document.getElementById('ignore-end').checked = true")
        page.press(PROMPT, Keys.CONTROL, Keys.ENTER)
        page.await_end()
        tokens = page.tokens()
        page.press(Keys.ALT, Keys.ARROW_DOWN)  # the focus has stayed in the text, at its end
        self.assertTrue(page.find("alternatives").is_displayed())
        page.press(Keys.ARROW_LEFT)
        page.press(Keys.END)
        page.press(Keys.ENTER)
        page.await_end()
        self.assertEqual(page.tokens()[:len(tokens) - 2], tokens[:-2])
        page.press(Keys.CONTROL, "z")
        self.assertEqual(page.tokens(), tokens)
        page.press(Keys.ALT, Keys.ARROW_DOWN)
        page.press(Keys.ESCAPE)
        self.assertFalse(page.find("alternatives").is_displayed())
        page.at_token(len(tokens) + 2, """document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key: "Escape", bubbles: true }))""")
        page.press(Keys.CONTROL, Keys.ENTER)
        page.await_end()
        self.assertIn("stopped", page.status)
        reached = set()
        for _ in range(40):
            reached.add(page.run("return document.activeElement.id"))
            page.press(Keys.TAB)
        buttons = {"text", "continue", "regenerate", "undo", "compare", "open-code", "theme", "open-help",
                   "setting-max_tokens", "setting-temperature", "setting-seed", "stop-strings", "colours", "reset-all"}
        self.assertLessEqual(buttons, reached)

    def test_two_continuations_stand_side_by_side_and_one_is_kept(self):
        page = self.page
        self.write(max_tokens=40)
        page.click("compare")
        page.all(".column header input")[2].send_keys("0")  # the temperature of B
        self.go_on()
        of_a, of_b = ("".join(page.tokens(f".column:nth-child({i}) .text")) for i in (1, 2))
        self.assertNotEqual(of_a, of_b)
        greedy = json.loads(self.server.ask("/v1/completions", {"prompt": PROMPT, "temperature": 0, "max_tokens": 40}))
        self.assertEqual(of_b, greedy["choices"][0]["text"])
        page.all(".column")[0].find_element("xpath", ".//button[text()='Keep']").click()
        self.assertEqual(page.text, PROMPT + of_a)
        self.assertEqual("".join(page.tokens()), of_a)
        page.click("undo")
        self.assertEqual(page.text, PROMPT)

    def test_the_code_gives_the_same_continuation(self):
        page = self.page
        prompt = "It's \"quoted\" \\ $HOME `here`\n"
        self.write(prompt, temperature=0.7, min_p=0.05, max_tokens=20)
        text = self.go_on()
        page.click("open-code")
        words = shlex.split(page.find("code-text").get_property("textContent"))
        self.assertEqual(words[:2], ["curl", self.server.url + "/v1/completions"])
        body = json.loads(words[words.index("-d") + 1])
        reply = json.loads(self.server.ask("/v1/completions", body))
        self.assertEqual(prompt + reply["choices"][0]["text"], text)
        page.press(Keys.SHIFT, Keys.TAB)
        page.click("tab-python")
        sent = run_python(page.find("code-text").get_property("textContent"))
        self.assertEqual(sent.pop("base_url"), self.server.url + "/v1")
        self.assertEqual(sent, {**body, "stream": True})
        page.click("copy")
        page.wait(lambda: page.find("copied").text == "copied")

    def test_the_prompts_own_tokens_are_coloured_on_request(self):
        page = self.page
        page.click("score-prompt")
        self.write(max_tokens=5)
        text = self.go_on()
        self.assertEqual("".join(page.tokens()), text)
        self.assertGreater(len(page.tokens()), 8)

    def test_tokens_that_are_parts_of_characters_make_up_the_text(self):
        page = self.page
        self.write(temperature=1000, top_k=0, max_tokens=200)  # any token, any bytes
        text = self.go_on()
        self.assertIn("\ufffd", text)
        self.assertEqual(PROMPT + "".join(page.tokens()), text)
        self.assertIn("200 tokens", page.status)

    def test_a_text_goes_on_until_the_context_is_full(self):
        self.write(max_tokens=200)
        self.go_on()
        self.go_on()
        self.assertIn("the context is full", self.page.status)

    def test_an_edit_takes_the_colours_from_what_is_behind_it(self):
        page = self.page
        self.write(max_tokens=20)
        self.go_on()
        kept = page.tokens()[:5]
        offset = len(PROMPT) + len("".join(kept))
        page.run("document.getElementById('text').setSelectionRange(arguments[0], arguments[0])", offset)
        page.find("text").send_keys("x")
        self.assertEqual(page.tokens(), kept)
        self.assertFalse(page.find("regenerate").is_enabled())

    def test_what_the_server_refuses_is_said_in_its_words(self):
        page = self.page
        self.expected_complaints = 1  # the browser's own, of the status
        self.write(temperature=-1)
        page.click("continue")
        page.wait(lambda: page.find("notice").is_displayed())
        self.assertIn("temperature", page.find("notice").text)
        self.assertEqual(page.text, PROMPT)

    def test_the_ranks_are_seen_at_work(self):
        page = self.page
        page.wait(lambda: page.find("running").text == "0")
        self.assertEqual(page.find("model").text, "bard · 2 ranks")
        self.write(max_tokens=40)
        self.go_on()
        page.wait(lambda: page.find("first").text.endswith("s"))
        page.wait(lambda: page.find("reduce").text.endswith("%"))
        page.wait(lambda: page.all("#trend path")[1].get_attribute("d"))

    def test_text_and_settings_are_there_after_a_reload(self):
        page = self.page
        self.write(max_tokens=7)
        text = self.go_on()
        self.browser.refresh()
        page.wait(lambda: page.find("model").text)
        self.assertEqual(page.text, text)
        self.assertEqual(page.find("setting-max_tokens").get_property("value"), "7")

    def test_light_and_dark_follow_the_system_and_the_switch(self):
        page = self.page
        shade = lambda: page.run("return getComputedStyle(document.documentElement).backgroundColor")
        light = shade()
        page.prefer("dark")
        dark = shade()
        self.assertNotEqual(light, dark)
        page.click("theme")
        self.assertEqual(shade(), light)
        page.click("theme")
        page.prefer("light")
        self.assertEqual(shade(), dark)

    def test_a_phone_shows_all_of_it(self):
        page = self.page
        self.write(max_tokens=200)
        page.resize(360, 740, mobile=True)
        self.go_on()
        for name in ("", "compare", "compare", "open-settings"):
            if name:
                page.click(name)
            self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), 360, name)
        self.assertTrue(page.find("setting-temperature").is_displayed())

    def test_everything_that_can_be_used_has_a_name(self):
        page = self.page
        page.click("compare")
        tree = self.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        used = [node for node in tree if not node["ignored"]
                and node["role"]["value"] in ("button", "textbox", "spinbutton", "checkbox", "combobox", "meter")]
        self.assertGreater(len(used), 25)
        nameless = [node["role"]["value"] for node in used if not node["name"]["value"].strip()]
        self.assertEqual(nameless, [])


class KeyTest(unittest.TestCase):
    def test_a_server_with_a_key_asks_for_it_and_the_code_does_not_tell_it(self):
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            file.write("secret-key\n")
            file.flush()
            server = served_page.Server(options.program, options.model, "--api-key-file", file.name)
        browser = served_page.start_browser()
        try:
            self.use(server, browser)
        finally:
            browser.quit()
            server.stop()

    def use(self, server, browser):
        page = served_page.Page(browser)
        page.open(server.url)
        for key in ("wrong", "secret-key"):
            page.wait(lambda: page.find("access").is_displayed())
            page.fill("key", key)
            page.press(Keys.ENTER)
        page.wait(lambda: page.find("model").text)
        self.assertFalse(page.find("access").is_displayed())
        page.find("text").send_keys(PROMPT, Keys.CONTROL, Keys.ENTER)
        self.assertGreater(len(page.await_end()), len(PROMPT))
        page.click("open-code")
        self.assertIn("$LOCKSTEP_API_KEY", page.find("code-text").text)
        page.click("tab-python")
        self.assertNotIn("secret-key", page.find("code-text").text)
        page.click("close-code")
        server.stop()
        page.wait(lambda: page.run("return document.getElementById('ranks').dataset.state") == "away")


def run_python(text):
    """What a program asks of OpenAI's package, which need not be here."""
    sent = {}

    class OpenAI:
        def __init__(self, base_url, api_key):
            sent["base_url"] = base_url
            self.completions = self

        def create(self, extra_body=None, **fields):
            sent.update(fields, **(extra_body or {}))
            return []

    package = types.ModuleType("openai")
    package.OpenAI = OpenAI
    sys.modules["openai"] = package
    exec(compile(text, "code", "exec"), {})
    return sent


if __name__ == "__main__":
    served_page.main()
