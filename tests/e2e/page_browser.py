"""What the tests of the pages share: a real Chromium, waiting, pictures."""

import os
import pathlib
import shutil

import pytest

if not shutil.which("chromium") or not shutil.which("chromedriver"):
    pytest.skip("chromium and chromium-driver are not installed", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SHOTS = os.environ.get("TANDEM_SCREENSHOTS")  # a folder that gets pictures of the pages


def open_browser(folder, width=1280, height=800, language="en-US", dark=False):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder}"]
    for flag in [*flags, f"--lang={language}", f"--accept-lang={language}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    if dark:
        feature = {"name": "prefers-color-scheme", "value": "dark"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    return browser


def wait(browser, condition, seconds=10):
    return WebDriverWait(browser, seconds, 0.03).until(lambda _: condition())


def shot(browser, name):
    if SHOTS:
        pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(pathlib.Path(SHOTS) / f"{name}.png"))


def find(browser, css):
    return browser.find_element(By.CSS_SELECTOR, css)


def text_of(browser, css):
    """The text of all elements that match, now; "" for none."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')"
    return browser.execute_script(script, css)


def is_shown(browser, css):
    script = "const e = document.querySelector(arguments[0]); return !!e && e.getClientRects().length > 0"
    return browser.execute_script(script, css)


def click(browser, css):
    element = find(browser, css)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def complaints(browser, *expected):
    """What the browser itself found wrong, but for lines that have one of the expected words."""
    severe = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    return [m for m in severe if not any(word in m for word in expected)]
