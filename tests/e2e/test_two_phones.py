"""The five minutes of the reports as a person sees them: the real demonstration, in a real Chromium.

Authority, desk, stand-ins and both phones are those of ./dev run, with the device's own model. One demonstration and
one open stage for the whole file: the tests run in order, each goes on where the one before has stopped. The pictures
of docs/images are these pages:

  TANDEM_BUILD=$PWD/build TANDEM_SCREENSHOTS=build/pictures .venv/bin/pytest -q tests/e2e/test_two_phones.py
  cp build/pictures/two-phones*.png docs/images/
"""

import contextlib
import re

import pytest
from api_fixtures import TANDEM, weights
from demo_fixtures import Demo, call
from page_browser import click as click_once
from page_browser import complaints, find, is_shown, open_browser, text_of
from page_browser import shot as take_picture
from selenium.common.exceptions import NoSuchFrameException, NoSuchWindowException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

pytestmark = pytest.mark.skipif(
    not TANDEM.exists() or not weights("qwen2.5-coder-0.5b-instruct-q4_k_m"),
    reason="the program or the weights of qwen2.5-coder-0.5b are not here",
)

CASE, BAIDUS_CASE, NEW_CASE = "DEMO-CN-2025-0001", "DEMO-CN-2025-0002", "DEMO-CN-2025-0003"
# a link that is used up, a session of a phone that is gone
EXPECTED = ("healthz", "owner/session", "v1/consents", "v1/device")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
GONE = (NoSuchFrameException, NoSuchWindowException, StaleElementReferenceException)
SECONDS = 60  # the machine has few cores and everybody here shares them


def wait(browser, condition):
    """A frame that is just being replaced by another phone's is a condition that does not hold yet."""
    return WebDriverWait(browser, SECONDS, 0.05, GONE).until(lambda _: condition())


def shot(browser, name, part=None):
    """The page, or from a part of it on, when nothing moves any more and no text is selected."""
    show = "arguments[0] ? document.getElementById(arguments[0]).scrollIntoView() : scrollTo(0, 0);"
    browser.execute_script(show + "document.getElementById('question').setSelectionRange(0, 0)", part)
    moving = "return document.getAnimations().some(a => a.playState === 'running')"
    wait(browser, lambda: not browser.execute_script(moving))
    for side in ("left", "right"):
        seen = "const r = document.querySelector(arguments[0]).getBoundingClientRect(); return r.top < innerHeight"
        if not browser.execute_script(seen, f"#place-{side} iframe"):
            continue  # what nobody sees does not move on
        with on(browser, side):
            wait(browser, lambda: not browser.execute_script(moving))
    take_picture(browser, name)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    d = Demo(tmp_path_factory.mktemp("demo"), 18500)
    try:
        yield d.wait_ready()
    finally:
        d.stop()


def open_stage(demo, browser):
    browser.get(f"http://127.0.0.1:{demo.port}/#key={demo.desk_key}")
    wait_for_owners(browser)


def wait_for_owners(browser):
    """Both phones have spoken and know their owner."""
    wait(browser, lambda: browser.execute_script("return places.length === 2 && places.every(p => p.isOwner)"))


@contextlib.contextmanager
def stage_of(demo, folder, *size, **look):
    browser = open_browser(folder, *size, **look)
    try:
        open_stage(demo, browser)
        yield browser
        assert not complaints(browser, *EXPECTED)
    finally:
        browser.quit()


@pytest.fixture(scope="module")
def opened(demo, tmp_path_factory):
    with stage_of(demo, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def stage(opened):
    """The open stage; whatever the browser has complained of during a test is that test's fault."""
    opened.switch_to.default_content()
    yield opened
    opened.switch_to.default_content()
    assert not complaints(opened, *EXPECTED)


# ---- looking and doing; the desks are drawn anew whenever something has changed, so each is tried until it holds


def click(browser, css):
    wait(browser, lambda: click_once(browser, css) or True)


def pick(browser, css, text):
    """Chooses in a select by what is shown; the whole text or the part of it that a case's id is."""

    def choose_it():
        select = Select(find(browser, css))
        select.select_by_visible_text(next(o.text for o in select.options if text in o.text))
        return True

    wait(browser, choose_it)


@contextlib.contextmanager
def on(browser, side):
    """Inside the phone's own page."""
    browser.switch_to.frame(find(browser, f"#place-{side} iframe"))
    try:
        yield
    finally:
        browser.switch_to.default_content()


def on_phone(browser, side, css="#log"):
    with on(browser, side):
        return text_of(browser, css)


LAST = "const all = document.querySelectorAll('.answer'); "


def last_answer(browser, side):
    """All that stands in and under the phone's last answer."""
    with on(browser, side):
        return browser.execute_script(LAST + "return all.length ? all[all.length - 1].innerText : ''")


def count_answers(browser, side):
    with on(browser, side):
        return browser.execute_script("return document.querySelectorAll('.answer').length")


def is_settled(browser, side, before):
    """Another answer has come, to its end."""
    with on(browser, side):
        return browser.execute_script(
            LAST + "return all.length > arguments[0] && !document.querySelector('.answer.waiting, .answer.streaming')",
            before,
        )


def ask_both(browser, text, by_name=False, sides=("left", "right")):
    """Asks on the stage's line; back when the phones have answered, refused or offered."""
    if find(browser, "#by-name").is_selected() != by_name:
        click(browser, "#by-name")
    before = {side: count_answers(browser, side) for side in sides}
    box = find(browser, "#question")
    box.clear()
    box.send_keys(text + Keys.ENTER)
    for side in sides:
        wait(browser, lambda side=side: is_settled(browser, side, before[side]))


def choose(browser, side, choice):
    """The owner's word on the sheet; what follows from it has come when this is back."""
    before = count_answers(browser, side)
    with on(browser, side):
        wait(browser, lambda: is_shown(browser, "#sheet-panel"))
        click(browser, f"[data-choice={choice}]")
        wait(browser, lambda: not is_shown(browser, "#sheet"))
    if choice != "later":
        wait(browser, lambda: is_settled(browser, side, before))


def is_asked(browser, side):
    with on(browser, side):
        return is_shown(browser, "#sheet-panel")


def is_shut(browser, side):
    return "shut" in find(browser, f"#place-{side} .wire").get_attribute("class")


def act(browser, word):
    """At the regulator's desk; the phones have taken the case when this is back."""
    click(browser, "#tab-regulator")
    sign(browser, lambda: click(browser, f"[data-act={word}]"))


def sign(browser, do):
    browser.execute_script("document.getElementById('news').textContent = ''")
    do()
    wait(browser, lambda: text_of(browser, "#news"))
    assert "Each verified it and took it." in text_of(browser, "#news")


def at_maker(browser, market):
    click(browser, "#tab-maker")
    pick(browser, ".picks select", market)


def swap_to(browser, partner):
    at_maker(browser, "mainland China")
    pick(browser, ".maker-line select", partner)
    sign(browser, lambda: click(browser, "button.swap"))


def show_case(browser, case):
    pick(browser, "#case select", case)


def view(browser, side, name, words=""):
    """The text of one of the phone's views, once it has these words: it shows what it had while it asks anew. The phone
    is left with its assistant."""
    with on(browser, side):
        click(browser, f"#tab-{name}")
        shown = lambda: text_of(browser, f"#view-{name}")  # noqa: E731
        wait(browser, lambda: len(shown().split("\n")) > 2 and words in shown())
        text = shown()
        take_picture(browser, f"view-{side}-{name}")
        click(browser, "#tab-talk")
    return text


# ---- the story


def test_the_stage_opens_with_both_phones_and_the_submitted_case(demo, stage):
    wait(stage, lambda: text_of(stage, "#case h2") == "Submitted")
    assert text_of(stage, "#place-left .partners") == "Alibaba\nEMULATED"
    assert text_of(stage, "#place-right .partners") == "ChatGPT\nEMULATED"
    assert is_shut(stage, "left") and not is_shut(stage, "right")
    assert on_phone(stage, "left", "#sold") == "Sold in mainland China\nDEMO"
    assert on_phone(stage, "right", "#sold") == "Sold in the United States\nDEMO"
    assert CASE in text_of(stage, "#case") and "11 Feb 2025" in text_of(stage, ".timeline .present")
    assert "HYPOTHETICAL" not in text_of(stage, "#case") and "HYPOTHETICAL" in text_of(stage, "#desk-regulator")
    assert "off on this phone" in on_phone(stage, "left", "#hello")  # said before anybody asks
    shot(stage, "1-opened")


def test_the_us_phone_answers_with_its_own_model_and_the_mainland_phone_says_why_it_is_off(demo, stage):
    ask_both(stage, "What is the capital of France?")
    us, mainland = last_answer(stage, "right"), last_answer(stage, "left")
    assert "Paris" in us and "This device's own model" in us and "Qwen2.5" in us
    assert "The assistant is off on this phone" in mainland and "submitted" in mainland
    assert CASE in mainland and "2025-02-11" in mainland and "Nothing was sent anywhere." in mainland
    assert stage.switch_to.active_element.get_attribute("id") == "question"
    assert demo.seen_by("openai") == [] and demo.seen_by("alibaba") == []
    shot(stage, "two-phones")
    for side in ("left", "right"):
        with on(stage, side):
            click(stage, ".answer:last-child .why summary")
        why = on_phone(stage, side, ".why")
        assert "Qwen2.5 Coder 0.5B" in why and {"left": "FILING_SUBMITTED", "right": "ChatGPT"}[side] in why
    shot(stage, "2-why")
    assert "Sold in" in view(stage, "left", "device", "Sold in") and "SHA" not in view(stage, "right", "device")


def test_the_same_in_the_other_language(stage):
    click(stage, "#lang")
    stage.refresh()
    wait_for_owners(stage)
    wait(stage, lambda: text_of(stage, "#case h2") == "已提交")
    ask_both(stage, "法国的首都是哪里？")
    us, mainland = last_answer(stage, "right"), last_answer(stage, "left")
    assert "巴黎" in us and "本机自带模型" in us
    assert "本机的助手功能未开放" in mainland and CASE in mainland and "2025年2月11日" in mainland
    shot(stage, "two-phones-zh")
    click(stage, "#lang")
    stage.refresh()
    wait_for_owners(stage)
    wait(stage, lambda: text_of(stage, "#case h2") == "Submitted")


def test_the_sheet_shows_what_would_leave_and_not_now_sends_nothing(demo, stage):
    question = "Ask ChatGPT: what is the capital of Italy?"
    ask_both(stage, question)
    assert not is_asked(stage, "left") and is_asked(stage, "right")
    sheet = on_phone(stage, "right", "#sheet-panel")
    assert "Ask ChatGPT?" in sheet and "EMULATED" in sheet and "OpenAI" in sheet
    assert "You asked for it by name." in sheet
    assert on_phone(stage, "right", "#sheet .leaves") == question
    with on(stage, "right"):
        click(stage, "#sheet summary")
        body = text_of(stage, "#sheet pre")
    assert question in body and "capital of France" not in body  # earlier turns stay unless they are ticked
    shot(stage, "3-consent")
    choose(stage, "right", "later")
    assert "Nothing was sent." in last_answer(stage, "right") and demo.seen_by("openai") == []
    shot(stage, "4-not-now")


def test_once_sends_that_text_and_leaves_a_receipt(demo, stage):
    ask_both(stage, "Ask ChatGPT: what is the capital of Italy?")
    choose(stage, "right", "once")
    answer = last_answer(stage, "right")
    assert "[EMULATED" in answer and "ChatGPT\nEMULATED" in answer and "You agreed to this once." not in answer
    wait(stage, lambda: len(demo.seen_by("openai")) == 1)  # the stand-in notes it when its answer has gone
    seen = demo.seen_by("openai")
    receipts = view(stage, "right", "receipts", "ChatGPT")
    assert "ChatGPT EMULATED · Assistant" in receipts.replace("\n", " ") and seen[0]["sha256"][:16] in receipts
    shot(stage, "5-chatgpt-answered")
    ask_both(stage, "Ask ChatGPT: what is the capital of Spain?")
    assert is_asked(stage, "right")  # once was once
    choose(stage, "right", "later")


def test_the_sheet_by_keyboard_alone(demo, stage):
    before, asked = count_answers(stage, "right"), len(demo.seen_by("openai"))
    with on(stage, "right"):
        find(stage, "#prompt").send_keys("Ask ChatGPT: what is the capital of Peru?" + Keys.ENTER)
        wait(stage, lambda: is_shown(stage, "#sheet-panel"))
        active = lambda: stage.switch_to.active_element
        wait(stage, lambda: active().get_attribute("id") == "sheet-title")
        active().send_keys(Keys.ENTER)  # meant for something else: it is no answer
        assert is_shown(stage, "#sheet-panel")
        for _ in range(30):
            if active().get_attribute("data-choice") == "once":
                break
            active().send_keys(Keys.TAB)
            assert stage.execute_script("return document.getElementById('sheet').contains(document.activeElement)")
        assert active().get_attribute("data-choice") == "once"
        active().send_keys(Keys.ESCAPE)
        wait(stage, lambda: not is_shown(stage, "#sheet"))
        assert active().get_attribute("id") == "prompt" and len(demo.seen_by("openai")) == asked
        find(stage, ".answer:last-child .offer button").send_keys(Keys.ENTER)  # it can be looked at again
        wait(stage, lambda: is_shown(stage, "#sheet-panel"))
        find(stage, "[data-choice=once]").send_keys(Keys.ENTER)
    wait(stage, lambda: is_settled(stage, "right", before))
    wait(stage, lambda: "[EMULATED" in last_answer(stage, "right"))
    wait(stage, lambda: len(demo.seen_by("openai")) == asked + 1)


def test_travel_a_sim_card_and_forged_headers_change_nothing(demo, stage):
    for side in ("left", "right"):
        shut = is_shut(stage, side)
        for what in ("travel", "sim", "spoof"):
            click(stage, f"#place-{side} [data-what={what}]")
            wait(stage, lambda s=side: "nothing changed" in text_of(stage, f"#place-{s} .proof"))
        assert is_shut(stage, side) == shut and len(stage.find_elements(By.CSS_SELECTOR, f"#place-{side} .lie")) == 3
    ask_both(stage, "Ask ChatGPT: who are you?")
    assert "The assistant is off on this phone" in last_answer(stage, "left") and is_asked(stage, "right")
    choose(stage, "right", "later")
    shot(stage, "6-travelled")
    for side in ("left", "right"):
        for what in ("travel", "sim", "spoof"):
            click(stage, f"#place-{side} [data-what={what}]")
        wait(stage, lambda s=side: not text_of(stage, f"#place-{s} .lie"))


def test_scripts_in_questions_and_answers_are_text(demo, stage):
    ask_both(stage, "Repeat this line of HTML: " + HOSTILE)
    for side in ("left", "right"):
        with on(stage, side):
            assert HOSTILE in text_of(stage, ".user")
            assert "<img" in text_of(stage, ".answer .body") or side == "left"
            assert not stage.find_elements(By.CSS_SELECTOR, "#log img, #log script")
    shot(stage, "7-script-is-text")
    assert demo.seen_by("alibaba") == [] and demo.seen_by("baidu") == []  # before approval: not one request


def test_approval_is_hypothetical_and_opens_the_mainland_phone(demo, stage):
    act(stage, "approve")
    assert text_of(stage, "#case h2") == "Approved\nHYPOTHETICAL"
    wait(stage, lambda: not is_shut(stage, "left"))
    shot(stage, "8-approved")
    ask_both(stage, "What is the capital of France?")
    answer = last_answer(stage, "left")
    assert "Paris" in answer and "This device's own model" in answer
    assert "AI-generated" in answer and CASE in answer and "HYPOTHETICAL" in answer


def test_the_mainland_phone_hands_off_to_alibaba_by_name_and_always_is_remembered(demo, stage):
    openai = len(demo.seen_by("openai"))
    ask_both(stage, "What is the capital of Italy?", by_name=True)
    choose(stage, "right", "later")
    sheet = on_phone(stage, "left", "#sheet-panel")
    assert "Ask Alibaba?" in sheet and "EMULATED" in sheet and CASE in sheet and "HYPOTHETICAL" in sheet
    shot(stage, "9-alibaba-consent")
    choose(stage, "left", "always")
    answer = last_answer(stage, "left")
    assert "[EMULATED" in answer and "Alibaba\nEMULATED" in answer and "AI-generated" in answer
    assert "Alibaba" in view(stage, "left", "consents", "Alibaba")
    shot(stage, "10-alibaba-answered")
    ask_both(stage, "What is the capital of Spain?", by_name=True)
    assert not is_asked(stage, "left") and "[EMULATED" in last_answer(stage, "left")
    choose(stage, "right", "later")
    wait(stage, lambda: len(demo.seen_by("alibaba")) == 2)
    assert len(demo.seen_by("openai")) == openai


def test_a_partner_that_breaks_off_is_told_and_the_phone_goes_on(demo, stage):
    click(stage, "#tab-maker")
    click(stage, ".faults summary")
    for fault, told in (("answers HTML", "not an answer of the partner's"), ("down", "not be reached"), ("well", "")):
        pick(stage, ".faults select[aria-label*=Alibaba]", fault)
        wait(stage, lambda f=fault: is_mood(demo, f))
        ask_both(stage, "What is the capital of Chile?", by_name=True)
        choose(stage, "right", "later")
        answer = last_answer(stage, "left")
        assert told in answer and ("Alibaba did not answer, so this" in answer) == (fault != "well")
        assert ("[EMULATED" in answer) == (fault == "well")
        shot(stage, f"11-partner-{fault.replace(' ', '-')}")


def is_mood(demo, fault):
    names = {"answers HTML": "html", "down": "down", "well": "none"}
    return {e["partner"]: e["fault"] for e in demo.desk("/desk/state")["emulators"]}["alibaba"] == names[fault]


def test_a_swapped_partner_needs_its_own_case_and_is_asked_for_anew(demo, stage):
    asked = len(demo.seen_by("alibaba"))
    swap_to(stage, "Baidu")
    wait(stage, lambda: text_of(stage, "#place-left .partners").startswith("Baidu") and is_shut(stage, "left"))
    assert "You have agreed to nothing" in view(stage, "left", "consents", "You have agreed to nothing")
    ask_both(stage, "What is the capital of Italy?", by_name=True)
    choose(stage, "right", "later")
    assert not is_asked(stage, "left") and demo.seen_by("baidu") == []
    shot(stage, "12-swapped")
    show_case(stage, BAIDUS_CASE)
    act(stage, "approve")
    wait(stage, lambda: not is_shut(stage, "left"))
    ask_both(stage, "What is the capital of Italy?", by_name=True)
    choose(stage, "right", "later")
    sheet = on_phone(stage, "left", "#sheet-panel")
    assert "Ask Baidu?" in sheet and BAIDUS_CASE in sheet
    shot(stage, "13-baidu-consent")
    choose(stage, "left", "later")
    swap_to(stage, "Alibaba")
    wait(stage, lambda: text_of(stage, "#place-left .partners").startswith("Alibaba"))
    ask_both(stage, "What is the capital of Italy?", by_name=True)
    assert "Ask Alibaba?" in on_phone(stage, "left", "#sheet-panel")  # "always" was said before the swap
    for side in ("left", "right"):
        choose(stage, side, "later")
    assert demo.seen_by("baidu") == [] and len(demo.seen_by("alibaba")) == asked


def test_kill_switch_and_canary_leave_the_phones_own_model(demo, stage):
    at_maker(stage, "mainland China")
    sign(stage, lambda: click(stage, ".backends li:nth-child(2) .toggle"))
    wait(stage, lambda: is_shut(stage, "left"))
    ask_both(stage, "What is the capital of France?", by_name=True)
    choose(stage, "right", "later")
    assert "This device's own model" in last_answer(stage, "left")
    shot(stage, "14-killed")
    sign(stage, lambda: click(stage, ".backends li:nth-child(2) .toggle"))
    wait(stage, lambda: not is_shut(stage, "left"))
    for share, shut in ((0, True), (100, False)):
        slide = f"i = document.querySelector('.canary input'); i.value = {share}; i.dispatchEvent(new Event('change'))"
        sign(stage, lambda s=slide: stage.execute_script("let " + s))
        wait(stage, lambda s=shut: is_shut(stage, "left") == s)


def test_without_a_network_each_phone_answers_alone(demo, stage):
    asked = len(demo.seen_by("openai"))
    click(stage, "#place-right [data-what=network]")
    wait(stage, lambda: "no network" in text_of(stage, "#place-right .bar") and is_shut(stage, "right"))
    ask_both(stage, "What is the capital of France?", by_name=True)
    assert not is_asked(stage, "right") and "This device's own model" in last_answer(stage, "right")
    choose(stage, "left", "never")
    assert "Nothing was sent to Alibaba" in last_answer(stage, "left") and is_shut(stage, "left")  # never is never
    shot(stage, "15-no-network")
    click(stage, "#place-right [data-what=network]")
    wait(stage, lambda: "online" in text_of(stage, "#place-right .bar") and not is_shut(stage, "right"))
    assert len(demo.seen_by("openai")) == asked
    with on(stage, "left"):
        click(stage, "#tab-consents")
        wait(stage, lambda: "never" in text_of(stage, "#view-consents").lower())
    shot(stage, "16-consents")
    with on(stage, "left"):
        click(stage, "#view-consents button")  # taken back
        wait(stage, lambda: "You have agreed to nothing" in text_of(stage, "#view-consents"))
        click(stage, "#tab-talk")
    wait(stage, lambda: not is_shut(stage, "left"))


def test_withdrawal_turns_it_off_again_and_a_new_case_begins_as_submitted(demo, stage):
    show_case(stage, CASE)
    asked = len(demo.seen_by("alibaba"))
    act(stage, "withdraw")
    wait(stage, lambda: is_shut(stage, "left"))
    assert "Withdrawn" in text_of(stage, "#case h2") and "This case is closed" in text_of(stage, "#desk-regulator")
    ask_both(stage, "What is the capital of France?")
    off = last_answer(stage, "left")
    assert "The assistant is off on this phone" in off and "withdrawn" in off
    shot(stage, "17-withdrawn")
    act(stage, "file_anew")
    wait(stage, lambda: NEW_CASE in text_of(stage, "#case") and text_of(stage, "#case h2").startswith("Submitted"))
    ask_both(stage, "What is the capital of France?")
    assert "The assistant is off on this phone" in last_answer(stage, "left")
    shot(stage, "17b-filed-anew")
    act(stage, "approve")
    wait(stage, lambda: not is_shut(stage, "left"))
    ask_both(stage, "What is the capital of France?")
    assert "Paris" in last_answer(stage, "left") and NEW_CASE in last_answer(stage, "left")
    assert len(demo.seen_by("alibaba")) == asked


def test_a_reload_and_a_second_window_work_and_one_without_the_key_says_why(demo, stage):
    stage.refresh()
    wait_for_owners(stage)
    ask_both(stage, "What is the capital of France?")
    assert "Paris" in last_answer(stage, "left") and "Paris" in last_answer(stage, "right")
    first = stage.current_window_handle
    stage.switch_to.new_window("tab")
    open_stage(demo, stage)
    ask_both(stage, "What is the capital of Italy?")
    assert "Rome" in last_answer(stage, "left") and "Rome" in last_answer(stage, "right")
    assert "ChatGPT" in view(stage, "right", "receipts", "ChatGPT")
    stage.close()
    stage.switch_to.window(first)
    assert "ChatGPT" in view(stage, "right", "receipts", "ChatGPT")  # the first window's owner is still the owner
    stage.switch_to.new_window("tab")
    stage.get(f"http://127.0.0.1:{demo.port}/")
    wait(stage, lambda: "desk's key" in text_of(stage, "#trouble"))
    take_picture(stage, "18-without-the-key")
    assert not complaints(stage, "desk/state", *EXPECTED)
    stage.close()
    stage.switch_to.window(first)


def test_another_market_is_another_phone(demo, stage):
    before = demo.right.get("/v1/device")["device"]
    pick(stage, "#place-right .another select", "Hong Kong")
    wait(stage, lambda: "Another phone, sold in Hong Kong" in text_of(stage, "#place-right .veil"))
    assert "was sold where it was sold" in text_of(stage, "#place-right .veil")
    take_picture(stage, "19-another-phone-comes")
    wait(stage, lambda: not is_shown(stage, "#place-right .veil"))
    wait(stage, lambda: on_phone(stage, "right", "#sold") == "Sold in Hong Kong\nDEMO")
    wait_for_owners(stage)
    assert demo.right.get("/v1/device")["device"] != before
    nothing = "Nothing has left this phone."
    assert nothing in view(stage, "right", "receipts", nothing)  # it is another phone
    shot(stage, "20-hong-kong")
    pick(stage, "#place-right .another select", "the United States")
    wait(stage, lambda: demo.phone_is("right", "US"))
    wait(stage, lambda: on_phone(stage, "right", "#sold") == "Sold in the United States\nDEMO")
    wait_for_owners(stage)


def test_a_chinese_browser_sees_all_of_it_in_chinese(demo, tmp_path):
    with stage_of(demo, tmp_path, language="zh-CN") as browser:
        act_zh(browser, "withdraw")
        act_zh(browser, "file_anew")
        wait(browser, lambda: text_of(browser, "#case h2").startswith("已提交"))
        wait(browser, lambda: call(demo.right.url + "/healthz")[0] == 200)
        shot(browser, "21-zh-filed-anew")
        ask_both(browser, "问ChatGPT：意大利的首都是哪里？")
        with on(browser, "right"):
            wait(browser, lambda: "要询问ChatGPT吗？" in text_of(browser, "#sheet-panel"))
        shot(browser, "22-zh-consent")
        choose(browser, "right", "once")
        assert "模拟" in last_answer(browser, "right")
        click(browser, "#tab-maker")
        shot(browser, "23-zh-answered")
        for side in ("left", "right"):
            assert not re.search(r"undefined|\bnull\b|\[object", on_phone(browser, side, "body"))
        assert not re.search(r"undefined|\bnull\b|\[object", text_of(browser, "main"))


def act_zh(browser, word):
    browser.execute_script("document.getElementById('news').textContent = ''")
    click(browser, f"[data-act={word}]")
    wait(browser, lambda: "手机已逐一验证并接受" in text_of(browser, "#news"))


def test_a_window_as_narrow_as_a_phone(demo, tmp_path):
    with stage_of(demo, tmp_path, 390, 844, dark=True) as browser:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        ask_both(browser, "Ask ChatGPT: what is the capital of Italy?")
        for side in ("left", "right"):
            with on(browser, side):
                assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        shot(browser, "24-narrow-dark")
        shot(browser, "24-narrow-dark-consent", "place-right")
        choose(browser, "right", "later")
        shot(browser, "24-narrow-dark-case", "between")


def test_the_page_takes_nothing_from_elsewhere(demo, stage):
    loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
    names = stage.execute_script(loaded)
    for side in ("left", "right"):
        with on(stage, side):
            names += stage.execute_script(loaded)
    assert names and all(n.startswith("http://127.0.0.1:") for n in names)
    for url in (f"http://127.0.0.1:{demo.port}/", demo.left.url + "/"):
        policy = call(url)[1]["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_from_begin_to_end_nobody_was_asked_without_consent(demo):
    """The stand-ins' own logs: how often an owner has agreed above, no more; nobody but the partners of the cells."""
    assert [len(demo.seen_by(p)) for p in ("baidu", "deepseek", "tencent")] == [0, 0, 0]
    assert len(demo.seen_by("openai")) == 3  # once, once by keyboard, once in Chinese
