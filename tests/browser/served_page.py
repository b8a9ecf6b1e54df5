"""What tests with a headless Chromium share: the browser, `lockstep serve`, and what is done with its page."""

import argparse
import json
import os
import pathlib
import shutil
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import served  # noqa: E402

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError:
    webdriver = None

PATIENCE = 60  # seconds; nothing here waits for a time to pass
options = argparse.Namespace()  # of the test's command line: program and model


def skip_without_browser(test):
    """Ends the test as skipped, with the reason, where there can be no browser."""
    if missing := what_is_missing():
        print(f"browser/{test} is skipped: {missing} is not installed; scripts/setup --browser does it")
        sys.exit(77)


def what_is_missing():
    """Why there can be no browser here; empty where there can."""
    if webdriver is None:
        return "Python's selenium"
    if not chromium():
        return "Chromium"
    return "" if shutil.which("chromedriver") else "Chromium's driver"


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Server(served.Server):
    """The program with this model, as "bard", until stop()."""

    def __init__(self, program, model, *more):
        os.environ["LOCKSTEP"] = program
        super().__init__("--model", model, "--served-model-name", "bard", "--threads", "1", *more)
        self.__enter__()

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, data=body and json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.read().decode()


def start_browser():
    chrome = webdriver.ChromeOptions()
    chrome.binary_location = chromium()
    for switch in ("headless=new", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars", "force-device-scale-factor=1"):
        chrome.add_argument(f"--{switch}")
    if os.geteuid() == 0:
        chrome.add_argument("--no-sandbox")  # root has none
    chrome.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=chrome)


class Page:
    """What a test does with the page."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, url, width=1280, height=800, scheme="light"):
        """As somebody sees it who was never there."""
        self.resize(width, height)
        self.prefer(scheme)
        self.browser.get(url)
        self.run("localStorage.clear(); sessionStorage.clear()")
        self.browser.get(url)
        self.wait(lambda: self.find("model").text or self.find("access").is_displayed())

    def resize(self, width, height, mobile=False):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})

    def prefer(self, scheme):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition):
        return WebDriverWait(self.browser, PATIENCE, poll_frequency=0.05).until(lambda _: condition())

    def find(self, name):
        return self.browser.find_element(By.ID, name)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def click(self, name):
        self.find(name).click()

    def press(self, *keys):
        """On what has the focus."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def fill(self, name, value):
        self.find(name).clear()
        self.find(name).send_keys(str(value))

    @property
    def text(self):
        return self.find("text").get_property("value")

    @property
    def status(self):
        return self.find("status").text

    def tokens(self, of="#mirror"):
        return self.run("return [...document.querySelectorAll(arguments[0] + ' .token')].map((one) => one.textContent)", of)

    def await_end(self):
        """Until what runs has come to its end."""
        self.wait(lambda: self.find("continue").is_displayed() and self.find("count").text)
        return self.text

    def at_token(self, count, script, of="#mirror"):
        """Runs a script in the page as soon as it shows so many tokens, and not a token later."""
        self.run("""const [count, of] = arguments;
            const seen = new MutationObserver(() => {
              if (document.querySelectorAll(of + " .token").length < count) return;
              seen.disconnect();
              %s;
            });
            seen.observe(document.querySelector(of), { childList: true, subtree: true });""" % script, count, of)

    def hover(self, element):
        x, y = self.run("""const box = arguments[0].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];""", element)
        self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    def complaints(self):
        """What the console has said since the last time."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """The addresses that were asked since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


class BrowserTest(unittest.TestCase):
    """Tests that share a browser. None may leave complaints in its console, or ask for anything elsewhere."""

    own_addresses = ()  # what the addresses begin with that a page may ask for

    @classmethod
    def setUpClass(cls):
        cls.browser = start_browser()
        cls.page = Page(cls.browser)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()

    def setUp(self):
        self.expected_complaints = 0

    def tearDown(self):
        complaints = self.page.complaints()
        self.assertEqual(len(complaints), self.expected_complaints, complaints)
        elsewhere = [url for url in self.page.requests() if not url.startswith((*self.own_addresses, "data:"))]
        self.assertEqual(elsewhere, [])


def main():
    """Runs the tests of the file that was started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--python", default=sys.executable, help="of the virtual environments")
    _, others = parser.parse_known_args(namespace=options)
    unittest.main(argv=[sys.argv[0], *others], verbosity=2)
