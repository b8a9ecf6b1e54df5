"""Makes the pictures of docs/guide/page.md.

    make_screenshots.py --program build/release/lockstep --model models/shakespeare-neox --folder docs/guide/page
"""

import argparse
import base64
import pathlib

import served_page
from selenium.webdriver.common.keys import Keys

PROMPT = "ROMEO:\nBut soft, what light through yonder window breaks?\n\nJULIET:\n"


def keep(page, file):
    page.run("document.activeElement.blur()")
    picture = page.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})
    file.write_bytes(base64.b64decode(picture["data"]))


def write(page, **settings):
    for name, value in {"temperature": 0.7, "seed": 3, "max_tokens": 120, **settings}.items():
        page.fill(f"setting-{name}", value)
    page.find("text").send_keys(PROMPT, Keys.CONTROL, Keys.ENTER)
    page.await_end()
    page.wait(lambda: page.find("first").text.endswith("s"))
    page.wait(lambda: page.find("running").text == "0")


def show_alternatives(page):
    tokens = page.all("#mirror .token")
    page.hover(next(one for one in tokens[14:] if one.text.strip() and "p5" in one.get_attribute("class")))
    page.wait(lambda: page.find("alternatives").is_displayed())


def show_two(page):
    page.click("compare")
    inputs = page.all(".column header input")
    inputs[2].send_keys("1.2")
    for one in (inputs[1], inputs[3]):
        one.send_keys("5")
    page.click("continue")
    page.await_end()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--program", "--model", "--folder"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    folder = pathlib.Path(options.folder)
    server = served_page.Server(options.program, options.model, "--tp", "2")
    browser = served_page.start_browser()
    page = served_page.Page(browser)
    try:
        page.open(server.url, 1200, 760)
        write(page)
        show_alternatives(page)
        keep(page, folder / "light.png")
        page.open(server.url, 1200, 760, "dark")
        write(page, max_tokens=60)
        show_two(page)
        keep(page, folder / "dark.png")
        page.open(server.url, 1200, 760)
        write(page)
        page.resize(390, 760, mobile=True)
        keep(page, folder / "phone.png")
    finally:
        browser.quit()
        server.stop()


if __name__ == "__main__":
    main()
