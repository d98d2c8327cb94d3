"""The chat page in a real Chromium, over the daemon without a model (its answer is the question)."""
import os
import pathlib
import re
import shutil
import time

import pytest

from api_fixtures import FAKE, Daemon, fake_daemon

if not FAKE.exists():
    pytest.skip(f"{FAKE} is not built", allow_module_level=True)
if not shutil.which("chromium") or not shutil.which("chromedriver"):
    pytest.skip("chromium and chromium-driver are not installed", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

SHOTS = os.environ.get("TANDEM_SCREENSHOTS")  # a folder that gets pictures of the page

HOSTILE = ("<img src=x onerror=alert(1)> <script>alert(2)</script> **bold** and `code`\n\n```c\nint main(void) "
           "{ return 0; } // <b>not bold</b>\n```\n\n- one\n- two\n\n[link](javascript:alert(3))")


@pytest.fixture(scope="module")
def daemon():
    with fake_daemon("slots=2", "queue=4", "word_ms=15", "prompt_ms=30") as d:
        yield d


def open_browser(folder, *more):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--window-size=1100,820", f"--user-data-dir={folder}",
                 *more):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


@pytest.fixture
def page(daemon, tmp_path):
    browser = open_browser(tmp_path, "--lang=en-US")
    try:
        browser.get(daemon.url + "/")
        wait(browser, lambda: not browser.find_element(By.ID, "banner").is_displayed())
        yield browser
        complaints = [e for e in browser.get_log("browser")  # a state or a missing record is an error to the browser
                      if e["level"] == "SEVERE" and not re.search("healthz|v1/device", e["message"])]
        assert not complaints, complaints
    finally:
        browser.quit()


def wait(browser, condition, seconds=10):
    return WebDriverWait(browser, seconds, 0.03).until(lambda _: condition())


def shot(browser, name):
    if SHOTS:
        pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(pathlib.Path(SHOTS) / f"{name}.png"))


def say(browser, text, enter=True):
    box = browser.find_element(By.ID, "prompt")
    lines = text.split("\n")
    for i, line in enumerate(lines):
        box.send_keys(line)
        if i + 1 < len(lines):
            box.send_keys(Keys.SHIFT, Keys.ENTER)
    if enter:
        box.send_keys(Keys.ENTER)


def answers(browser):
    return browser.find_elements(By.CSS_SELECTOR, ".answer .body")


def wait_idle(browser):
    wait(browser, lambda: browser.find_element(By.ID, "send").is_displayed())
    time.sleep(0.1)


def test_an_answer_streams_and_shows_what_it_cost(daemon, page):
    shot(page, "empty")
    text = "word " * 60 + "end"
    say(page, text)
    wait(page, lambda: answers(page) and "word" in answers(page)[0].text)
    early = len(answers(page)[0].text)
    shot(page, "streaming")
    wait(page, lambda: answers(page)[0].text.endswith("end"))
    assert 0 < early < len(text) - 50
    wait_idle(page)
    meta = page.find_element(By.CSS_SELECTOR, ".answer .meta").text
    assert "fake-echo-1" in meta and "61 tokens" in meta and "tokens/s" in meta and "first text after" in meta
    assert re.search(r"^decision [0-9a-f]{8}", meta, re.M)
    say(page, "and again")
    wait(page, lambda: len(answers(page)) == 2 and answers(page)[1].text == "and again")


def test_stop_ends_the_answer_and_frees_the_slot(daemon, page):
    say(page, "word " * 400)
    wait(page, lambda: answers(page) and "word" in answers(page)[0].text)
    page.find_element(By.ID, "stop").click()
    assert daemon.wait_idle(1) < 0.5
    wait_idle(page)
    assert "stopped" in page.find_element(By.CSS_SELECTOR, ".answer .meta").text
    say(page, "!mute")
    wait(page, lambda: daemon.health()["running"] == 1)
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert daemon.wait_idle(1) < 0.5


def test_what_the_model_writes_is_text_never_html(page):
    say(page, HOSTILE)
    wait(page, lambda: answers(page) and "link" in answers(page)[0].text)
    wait_idle(page)
    shot(page, "markdown")
    body = answers(page)[0]
    assert "<img src=x onerror=alert(1)>" in body.text and "<script>alert(2)</script>" in body.text
    assert not body.find_elements(By.CSS_SELECTOR, "img, script, b, a")
    assert body.find_element(By.TAG_NAME, "strong").text == "bold"
    assert body.find_element(By.CSS_SELECTOR, "pre code").text.startswith("int main(void)")
    assert "<b>not bold</b>" in body.find_element(By.CSS_SELECTOR, "pre code").text
    assert [e.text for e in body.find_elements(By.TAG_NAME, "li")] == ["one", "two"]


def test_two_languages(daemon, page, tmp_path):
    assert page.find_element(By.ID, "send").text == "Send"
    page.find_element(By.ID, "lang").click()
    assert page.find_element(By.ID, "send").text == "发送"
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "zh-CN"
    page.refresh()
    assert page.find_element(By.ID, "send").text == "发送"
    shot(page, "chinese")
    page.find_element(By.ID, "lang").click()


def test_a_chinese_browser_begins_in_chinese(daemon, tmp_path):
    browser = open_browser(tmp_path / "zh", "--lang=zh-CN", "--accept-lang=zh-CN")
    try:
        browser.get(daemon.url + "/")
        assert browser.find_element(By.ID, "send").text == "发送"
    finally:
        browser.quit()


def test_enter_while_composing_does_not_send(page):
    say(page, "ni hao", enter=False)
    for event in ("{isComposing: true, keyCode: 229}", "{isComposing: true, keyCode: 13}", "{keyCode: 229}"):
        page.execute_script("document.getElementById('prompt').dispatchEvent(new KeyboardEvent('keydown', "
                            f"Object.assign({{key: 'Enter', bubbles: true, cancelable: true}}, {event})))")
    time.sleep(0.2)
    assert not answers(page)
    page.find_element(By.ID, "prompt").send_keys(Keys.ENTER)
    wait(page, lambda: answers(page) and answers(page)[0].text == "ni hao")


def test_new_chat_dark_theme_and_keyboard(page):
    page.find_element(By.ID, "theme").click()
    say(page, "```python\nprint('dark')\n```")
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".block pre"))
    wait_idle(page)
    shot(page, "dark")
    page.find_element(By.ID, "fresh").click()
    assert not answers(page) and page.find_element(By.ID, "hello").is_displayed()
    assert page.switch_to.active_element.get_attribute("id") == "prompt"
    page.find_element(By.ID, "theme").click()


def test_errors_are_shown_and_can_be_tried_again(page):
    say(page, "!broken")
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".error"))
    assert "the model broke" in page.find_element(By.CSS_SELECTOR, ".error").text
    shot(page, "error")
    page.find_element(By.CSS_SELECTOR, ".error button").click()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".error"))
    page.get_log("browser")  # the browser itself notes the 500


def test_the_page_opens_while_the_model_is_on_its_way(tmp_path):
    gate = tmp_path / "the model is here"
    d = Daemon([FAKE, "127.0.0.1:0", f"load_gate={gate}"])
    browser = open_browser(tmp_path / "profile", "--lang=en-US")
    try:
        browser.get(d.url + "/")
        wait(browser, lambda: "38%" in browser.find_element(By.ID, "banner-text").text)
        browser.find_element(By.ID, "prompt").send_keys("early")
        assert not browser.find_element(By.ID, "send").is_enabled()
        shot(browser, "downloading")
        gate.touch()
        wait(browser, lambda: not browser.find_element(By.ID, "banner").is_displayed())
        wait(browser, lambda: browser.find_element(By.ID, "send").is_enabled())
    finally:
        browser.quit()
        assert d.stop() == 0


def test_the_page_is_one_file_with_a_strict_policy(daemon):
    status, headers, text = daemon.get("/")
    assert status == 200 and "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'sha256-" in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert "innerHTML" not in text
