"""The phone's page in a real Chromium, over a scripted phone: what it shows, what it sends, whom it obeys."""

import time

import pytest
from page_browser import click, complaints, find, is_shown, open_browser, shot, text_of, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mock_phone import MockPhone, Server
from mock_rules import CASE, PARTNERS, Rules

EXPECTED = ("healthz", "owner/session", "v1/consents")  # states that the browser itself notes as errors


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    b = open_browser(tmp_path_factory.mktemp("profile"), 480, 860)
    yield b
    b.quit()


@pytest.fixture
def make_phone(browser):
    made = []

    def make(sold_in="US", owner=True, **more):
        phone = MockPhone(sold_in, Rules(), **more)
        made.append(phone)
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(phone.url + "/" + (f"#link={phone.link()}" if owner else ""))
        wait(browser, lambda: is_shown(browser, "#tabs"))
        return phone

    yield make
    assert not complaints(browser, *EXPECTED)
    for phone in made:
        phone.close()


def say(browser, text):
    find(browser, "#prompt").send_keys(text + Keys.ENTER)


def wait_idle(browser):
    wait(browser, lambda: is_shown(browser, "#send"))
    time.sleep(0.1)


def posted(phone, path):
    return [body for where, _, body in phone.asked if where == path]


def test_this_phones_own_model_answers_and_the_path_is_told(browser, make_phone):
    phone = make_phone()
    say(browser, "How do I sharpen a pencil?")
    wait(browser, lambda: "private" in text_of(browser, ".answer .body"))
    wait_idle(browser)
    assert "This device's own model" in text_of(browser, ".path") and "Qwen2.5-Coder 0.5B" in text_of(browser, ".path")
    assert find(browser, ".answer .body strong").text == "Nothing"
    click(browser, ".why summary")
    assert "ChatGPT" in text_of(browser, ".why") and "Nothing was refused" in text_of(browser, ".why")
    shot(browser, "phone-own-answer")
    say(browser, "And a crayon?")
    wait(browser, lambda: len(posted(phone, "/v1/assistant")) == 2)
    roles = [m["role"] for m in posted(phone, "/v1/assistant")[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    wait_idle(browser)
    assert not phone.sent


def test_off_is_a_calm_answer_with_its_real_cause_in_both_languages(browser, make_phone):
    phone = make_phone("CN")
    say(browser, "Plan my weekend")
    wait(browser, lambda: is_shown(browser, ".off-card"))
    wait_idle(browser)
    assert f"Case {CASE}".lower() in text_of(browser, ".off-card").lower() and "not approved" in text_of(
        browser, ".off-card"
    )
    assert not browser.find_elements(By.CSS_SELECTOR, ".error") and not is_shown(browser, ".path")
    click(browser, ".why summary")
    assert "FILING_SUBMITTED" in text_of(browser, ".why") and "Alibaba" in text_of(browser, ".why")
    shot(browser, "phone-off")
    click(browser, "#lang")
    assert "本机的助手功能未开放" in text_of(browser, ".off-card") and "阿里巴巴" in text_of(browser, ".why")
    assert text_of(browser, ".off-card").count("尚未获批") == 1
    say(browser, "周末做什么")
    wait(browser, lambda: text_of(browser, ".off-card").count("尚未获批") == 2)
    wait_idle(browser)
    shot(browser, "phone-off-chinese")
    click(browser, "#lang")
    assert [m["role"] for m in posted(phone, "/v1/assistant")[1]["messages"]] == ["user"]  # what was off is no talk
    assert not phone.sent


def test_the_sheet_shows_exactly_what_would_leave_and_once_sends_it(browser, make_phone):
    phone = make_phone()
    say(browser, "I am unsure <b>what</b> to cook")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    sheet = text_of(browser, "#sheet-body")
    assert "Ask ChatGPT?" in sheet and "EMULATED" in sheet and "DEMO OpenAI OpCo, LLC" in sheet and "GPT-4o" in sheet
    assert text_of(browser, ".leaves") == "I am unsure <b>what</b> to cook"
    assert "not sure enough" in sheet
    shot(browser, "phone-sheet")
    wait_idle(browser)
    assert not phone.sent and len(posted(phone, "/v1/assistant")) == 1
    click(browser, "[data-choice=once]")
    wait(browser, lambda: "a table for two" in text_of(browser, ".answer .body"))
    wait_idle(browser)
    assert phone.sent == [("openai", "I am unsure <b>what</b> to cook")]
    offer = posted(phone, "/v1/assistant")[1]
    assert (
        offer["consent"] == "once"
        and offer["earlier_turns"] == 0
        and set(offer) == {"offer", "consent", "earlier_turns", "lang"}
    )
    assert "ChatGPT" in text_of(browser, ".path") and "EMULATED" in text_of(browser, ".path")
    assert "bytes to ChatGPT" in text_of(browser, ".leaving") and "receipt" in text_of(browser, ".receipt-line")
    shot(browser, "phone-partner-answer")
    say(browser, "Unsure again, unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    assert len(phone.sent) == 1


def test_never_and_not_now_send_nothing(browser, make_phone):
    phone = make_phone()
    say(browser, "I am unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    wait_idle(browser)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(browser, lambda: not is_shown(browser, "#sheet-panel"))
    assert "Nothing was sent" in text_of(browser, ".offer")
    assert len(posted(phone, "/v1/assistant")) == 1
    click(browser, ".offer .main")
    click(browser, "[data-choice=never]")
    wait(browser, lambda: "never" in text_of(browser, ".offer"))
    wait_idle(browser)
    click(browser, "#tab-consents")
    wait(browser, lambda: "never" in text_of(browser, "#view-consents li").lower())
    shot(browser, "phone-consents")
    click(browser, "#view-consents li button")
    wait(browser, lambda: "agreed to nothing" in text_of(browser, "#view-consents"))
    assert phone.consents == {} and not phone.sent


def test_the_sheet_keeps_the_keyboard_and_its_first_key_agrees_to_nothing(browser, make_phone):
    phone = make_phone()
    say(browser, "I am unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    wait_idle(browser)
    assert browser.switch_to.active_element.get_attribute("id") == "sheet-title"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    seen = set()
    for _ in range(12):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        inside = """const e = document.activeElement;
            return [!!e.closest('#sheet') || e === document.body, e.dataset.choice ?? '']"""
        is_inside, choice = browser.execute_script(inside)
        assert is_inside
        seen.add(choice)
    assert {"once", "always", "never", "later"} <= seen and not phone.sent and is_shown(browser, "#sheet-panel")


def test_earlier_turns_go_only_when_ticked(browser, make_phone):
    phone = make_phone()
    say(browser, "First, a question")
    wait_idle(browser)
    say(browser, "Now I am unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    wait_idle(browser)
    boxes = browser.find_elements(By.CSS_SELECTOR, ".earlier input")
    assert len(boxes) == 2 and not any(b.is_selected() for b in boxes)
    boxes[0].click()
    assert all(b.is_selected() for b in boxes)  # a turn takes with it what came after
    boxes[0].click()
    assert [b.is_selected() for b in boxes] == [False, True]
    click(browser, "[data-choice=always]")
    wait_idle(browser)
    assert posted(phone, "/v1/assistant")[2]["earlier_turns"] == 1
    say(browser, "Again unsure")
    wait(browser, lambda: len(phone.sent) == 2)  # always: no sheet
    assert not is_shown(browser, "#sheet-panel")


def test_without_the_owners_link_nobody_can_agree(browser, make_phone):
    browser.execute_script("sessionStorage.clear()")
    phone = make_phone(owner=False)
    say(browser, "I am unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    for mode in ("once", "always", "never"):
        assert not find(browser, f"[data-choice={mode}]").is_enabled()
    assert "Only this phone's owner" in text_of(browser, "#sheet-buttons")
    click(browser, "[data-choice=later]")
    click(browser, "#tab-receipts")
    wait(browser, lambda: "owner's link" in text_of(browser, "#view-receipts"))
    assert not phone.sent and not phone.sessions
    browser.get(f"{phone.url}/#link={phone.link()}")  # the same page: only the fragment is new
    wait(browser, lambda: phone.sessions)
    click(browser, "#tab-consents")
    click(browser, "#tab-receipts")
    wait(browser, lambda: "Nothing has left" in text_of(browser, "#view-receipts"))


def test_every_word_is_there_in_both_languages(browser, make_phone):
    make_phone()
    differ = (
        "return Object.keys(TEXTS.en).filter(k => typeof TEXTS.en[k] !== typeof TEXTS.zh[k]).concat("
        "Object.keys(TEXTS.zh).filter(k => !(k in TEXTS.en)))"
    )
    assert browser.execute_script(differ) == []
    unnamed = (
        "return [...document.querySelectorAll('button, input, select, textarea')].filter(e => !(e.innerText || "
        "e.getAttribute('aria-label') || e.labels?.[0]?.innerText)).map(e => e.outerHTML)"
    )
    assert browser.execute_script(unnamed) == []


def test_off_is_said_before_anybody_asks(browser, make_phone):
    make_phone("CN")
    assert "The assistant is off on this phone" in text_of(browser, "#hello")
    assert "not approved" in text_of(browser, "#hello") and not is_shown(browser, "#ideas")


def test_the_link_is_taken_out_of_the_address_and_the_session_stays_in_this_tab(browser, make_phone):
    phone = make_phone()
    assert browser.current_url == phone.url + "/"
    wait(browser, lambda: phone.sessions)
    kept = browser.execute_script(
        "return [sessionStorage['tandem.session'], JSON.stringify(localStorage), document.cookie]"
    )
    assert kept[0] in phone.sessions and kept[0] not in kept[1] and kept[2] == ""
    assert kept[0] not in browser.page_source
    phone.sessions.clear()  # another phone has taken this place
    browser.refresh()
    wait(browser, lambda: is_shown(browser, "#tabs"))
    wait(browser, lambda: browser.execute_script("return sessionStorage['tandem.session'] ?? ''") == "")


def test_a_named_partner_receipts_and_erasing_them(browser, make_phone):
    phone = make_phone()
    browser.find_element(By.CSS_SELECTOR, "#whom option[value=openai]").click()
    say(browser, "Which river is it?")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    assert "You asked for it by name" in text_of(browser, "#sheet-cause")
    assert posted(phone, "/v1/assistant")[0]["partner"] == "openai"
    wait_idle(browser)
    click(browser, "[data-choice=once]")
    wait_idle(browser)
    click(browser, ".receipt-line")
    wait(browser, lambda: "ChatGPT" in text_of(browser, "#view-receipts li"))
    assert "Which river" not in text_of(browser, "#view-receipts")
    shot(browser, "phone-receipts")
    click(browser, "#view-receipts li button")
    wait(browser, lambda: "Nothing has left this phone" in text_of(browser, "#view-receipts"))
    assert phone.receipts == []


def test_taken_back_broken_and_failed_answers(browser, make_phone):
    make_phone()
    say(browser, "!retract please")
    wait(browser, lambda: is_shown(browser, ".retracted"))
    wait_idle(browser)
    assert (
        text_of(browser, ".answer .body").strip() == "" and "screening pack" in text_of(browser, ".retracted").lower()
    )
    say(browser, "!fail please")
    wait(browser, lambda: "it has failed" in text_of(browser, ".error"))
    wait_idle(browser)
    say(browser, "unsure !cut")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    wait_idle(browser)
    click(browser, "[data-choice=once]")
    wait(browser, lambda: "broke off" in text_of(browser, ".error"))
    wait_idle(browser)
    shot(browser, "phone-errors")


def test_an_offer_that_ended_cannot_be_agreed_to(browser, make_phone):
    phone = make_phone()
    phone.offer_life_s = 3
    say(browser, "I am unsure")
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    wait(browser, lambda: "This offer has ended" in text_of(browser, ".offer"), 10)
    assert not is_shown(browser, "#sheet-panel") and not phone.sent


def test_names_and_answers_with_markup_are_shown_as_text(browser, make_phone, monkeypatch):
    evil = "<img src=x onerror=\"document.title='taken'\"> <script>document.title='taken'</script>"
    monkeypatch.setitem(PARTNERS["openai"], "name", {"en": evil, "zh": evil})
    make_phone()
    say(browser, "!html now")
    wait(browser, lambda: "onerror" in text_of(browser, ".answer .body"))
    wait_idle(browser)
    say(browser, "unsure " + evil)
    wait(browser, lambda: is_shown(browser, "#sheet-panel"))
    click(browser, "#sheet-body summary")
    assert evil in text_of(browser, "#sheet-title") and evil in text_of(browser, ".leaves")
    click(browser, "[data-choice=later]")
    click(browser, "#tab-device")
    assert evil in text_of(browser, "#view-device")
    assert browser.title == "tandem" and not browser.find_elements(By.CSS_SELECTOR, "body img, main script")


def test_this_phone_tells_its_record_rules_and_each_features_cause(browser, make_phone):
    phone = make_phone("CN")
    click(browser, "#tab-device")
    view = text_of(browser, "#view-device")
    assert "Sold in" in view and "mainland China" in view and "DEMO" in view and "version 3" in view
    assert "Visual search · off" in view and "the policy has no such feature" in view.lower()
    assert view.count("not approved") == 4
    shot(browser, "phone-device")
    find(browser, "#tab-device").send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == "tab-consents" and is_shown(
        browser, "#view-consents"
    )
    phone.percent = 38
    browser.refresh()
    wait(browser, lambda: "38%" in text_of(browser, "#banner"))
    shot(browser, "phone-downloading")
    phone.percent = 100
    wait(browser, lambda: not is_shown(browser, "#banner"))


def test_a_region_without_a_market_is_a_phone_that_is_off(browser, make_phone):
    make_phone("XX")
    assert "Sold in XX" in text_of(browser, "#sold") and "The assistant is off" in text_of(browser, "#hello")
    click(browser, "#tab-device")
    assert "missing" in text_of(browser, "#view-device") and "MARKET_UNKNOWN" in text_of(browser, "#view-device")


class Framer(Server):
    """A page of another origin that frames a phone and orders it about."""

    def __init__(self, phone_url):
        super().__init__()
        self.phone_url = phone_url

    def get_(self, h, body):
        page = f"""<!doctype html><iframe src="{self.phone_url}/"></iframe><script>
            const heard = []; addEventListener("message", e => heard.push(JSON.stringify(e.data)));
            const order = m => frames[0].postMessage({{tandem: 1, id: 1, ...m}}, "*");</script>"""
        h.send(200, "text/html", page.encode())


@pytest.mark.parametrize("stage", ["", "http://127.0.0.1:1"])
def test_it_obeys_no_other_stage_than_the_daemons(browser, make_phone, stage):
    phone = make_phone(stage=stage, ancestors="*")
    framer = Framer(phone.url)
    try:
        browser.get(framer.url + "/")
        time.sleep(0.6)
        for order in ('{do: "network", off: true}', '{do: "ask", text: "hello"}', '{do: "pretend", headers: "US"}'):
            browser.execute_script(f"order({order})")
        time.sleep(0.4)
        assert browser.execute_script("return heard") == []
        assert not phone.network_off and not posted(phone, "/v1/assistant")
    finally:
        framer.close()
    complaints(browser)  # the orders to a stage that is not there


def test_only_the_stage_may_frame_it(browser, make_phone):
    phone = make_phone()
    framer = Framer(phone.url)
    try:
        browser.get(framer.url + "/")
        time.sleep(0.5)
        assert any("frame-ancestors" in m for m in complaints(browser))
    finally:
        framer.close()
