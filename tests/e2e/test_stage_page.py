"""The stage in a real Chromium, over a scripted desk and two scripted phones: the five minutes of the reports."""

import contextlib
import time

import pytest
from page_browser import click, complaints, find, is_shown, open_browser, shot, text_of, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from mock_desk import MockDesk
from mock_rules import CASE

EXPECTED = ("healthz", "owner/session", "v1/consents")


@contextlib.contextmanager
def stage(folder, *size, **look):
    desk, browser = MockDesk(), open_browser(folder, *size, **look)
    try:
        browser.get(f"{desk.url}/#key={desk.key}")
        wait(browser, lambda: all(p["phone"].sessions for p in desk.phones.values()))
        wait(browser, lambda: text_of(browser, "#place-left .partners") and text_of(browser, "#place-right .partners"))
        yield desk, browser
        assert not complaints(browser, *EXPECTED)
    finally:
        browser.quit()
        desk.close()


@pytest.fixture
def opened(tmp_path):
    with stage(tmp_path) as both:
        yield both


@contextlib.contextmanager
def on(browser, side):
    """Inside the phone's own page."""
    browser.switch_to.frame(find(browser, f"#place-{side} iframe"))
    try:
        yield
    finally:
        browser.switch_to.default_content()


def phone_text(browser, side, css="#log"):
    with on(browser, side):
        return text_of(browser, css)


def ask_both(browser, text, by_name=False):
    if find(browser, "#by-name").is_selected() != by_name:
        click(browser, "#by-name")
    box = find(browser, "#question")
    box.clear()
    box.send_keys(text + Keys.ENTER)


def agree(browser, side, mode="once"):
    with on(browser, side):
        wait(browser, lambda: is_shown(browser, "#sheet-panel"))
        wait(browser, lambda: is_shown(browser, "#send"))
        click(browser, f"[data-choice={mode}]")
        wait(browser, lambda: is_shown(browser, "#send") and text_of(browser, ".answer:last-child .body"))


def wire_is_shut(browser, side):
    return "shut" in find(browser, f"#place-{side} .wire").get_attribute("class")


def news(browser, word):
    wait(browser, lambda: word in text_of(browser, "#news"))


def test_the_whole_story(opened):
    desk, browser = opened
    china, america = desk.phone("left"), desk.phone("right")
    assert wire_is_shut(browser, "left") and not wire_is_shut(browser, "right")
    assert text_of(browser, "#case h2") == "Submitted" and "HYPOTHETICAL" not in text_of(browser, "#case")
    assert "11 Feb 2025" in text_of(browser, ".timeline .present") and CASE in text_of(browser, "#case")
    assert "the device's own model qwen2.5-coder-0.5b + Alibaba" in text_of(browser, ".covers")
    assert "DEMO Phone Maker" in text_of(browser, ".filers") and "DEMO Model Provider" in text_of(browser, ".filers")
    assert "submitted to China's cyberspace regulator; the rest is hypothetical." in text_of(
        browser, "#desk-regulator"
    )
    assert text_of(browser, "#place-left .partners") == "Alibaba\nEMULATED"
    shot(browser, "stage-1-begin")

    ask_both(browser, "Plan a quiet weekend in the city")
    wait(browser, lambda: "The assistant is off on this phone" in phone_text(browser, "left"))
    assert "not approved" in phone_text(browser, "left")
    assert browser.switch_to.active_element.get_attribute("id") == "question"  # no sheet takes the line away
    time.sleep(0.5)
    shot(browser, "stage-2-china-off-us-offers")
    agree(browser, "right")
    assert "ChatGPT" in phone_text(browser, "right", ".path") and "EMULATED" in phone_text(browser, "right", ".path")
    assert america.sent == [("openai", "Plan a quiet weekend in the city")] and not china.sent
    shot(browser, "stage-3-us-answers")

    click(browser, "[data-act=approve]")
    news(browser, "Each verified it and took it")
    wait(browser, lambda: not wire_is_shut(browser, "left"))
    assert text_of(browser, "#case h2") == "Approved\nHYPOTHETICAL"
    assert len(text_of(browser, ".timeline .past").split("\n")) == 8  # four states, four dates
    ask_both(browser, "Plan a quiet weekend in the city")
    agree(browser, "left")
    assert "Alibaba" in phone_text(browser, "left", ".path") and CASE in phone_text(browser, "left", ".path")
    assert "HYPOTHETICAL" in phone_text(browser, "left", ".path")
    assert china.sent == [("alibaba", "Plan a quiet weekend in the city")]
    shot(browser, "stage-4-china-answers")

    click(browser, "[data-act=withdraw]")
    news(browser, "took it")
    wait(browser, lambda: wire_is_shut(browser, "left"))
    assert "Withdrawn" in text_of(browser, "#case h2") and "This case is closed" in text_of(browser, "#desk-regulator")
    ask_both(browser, "And the next one?")
    wait(browser, lambda: phone_text(browser, "left").count("The assistant is off on this phone") == 2)
    shot(browser, "stage-5-withdrawn")
    assert len(china.sent) == 1 and not [s for s in china.sent if s[0] == "openai"]
    click(browser, "[data-act=file_anew]")
    wait(browser, lambda: "DEMO-CN-2025-0002" in Select(find(browser, "#case select")).first_selected_option.text)
    assert text_of(browser, "#case h2") == "Submitted" and wire_is_shut(browser, "left")
    click(browser, "[data-act=approve]")
    wait(browser, lambda: not wire_is_shut(browser, "left"))


def test_a_question_of_the_regulator_holds_the_case_until_it_is_answered(opened):
    desk, browser = opened
    click(browser, "[data-act=review]")
    news(browser, "took it")
    assert text_of(browser, "#case h2") == "Under review"
    click(browser, "[data-act=ask_filer]")
    news(browser, "Write the question")
    find(browser, ".words input").send_keys("How is <b>output</b> screened?")
    click(browser, "[data-act=ask_filer]")
    wait(browser, lambda: "How is <b>output</b> screened?" in text_of(browser, ".questions"))
    assert "Not answered yet" in text_of(browser, ".questions")
    find(browser, ".words input").send_keys("By a signed pack, before a word is shown.")
    click(browser, "[data-act=answer_it]")
    wait(browser, lambda: "By a signed pack" in text_of(browser, ".questions"))
    shot(browser, "stage-questions")
    click(browser, "[data-act=refuse]")
    wait(browser, lambda: "Refused" in text_of(browser, "#case h2"))
    assert wire_is_shut(browser, "left")


def test_swapping_the_partner_asks_for_consent_anew(opened):
    desk, browser = opened
    american = desk.phone("right")
    ask_both(browser, "unsure of it", by_name=True)
    agree(browser, "right", "always")
    assert american.consents == {"openai": "always"}
    click(browser, "[data-act=approve]")
    wait(browser, lambda: not wire_is_shut(browser, "left"))
    ask_both(browser, "By name, please", by_name=True)
    agree(browser, "left", "always")
    assert desk.phone("left").consents == {"alibaba": "always"}
    click(browser, "#tab-maker")
    assert "Baidu" in text_of(browser, ".maker-line")
    click(browser, "button.swap")
    news(browser, "Partner swapped (Rules version 4)")
    wait(browser, lambda: text_of(browser, "#place-left .partners").startswith("Baidu"))
    assert desk.phone("left").consents == {}
    assert wire_is_shut(browser, "left")  # the case names another model
    shot(browser, "stage-swap")


def test_kill_switch_canary_and_faults(opened):
    desk, browser = opened
    click(browser, "#tab-maker")
    Select(find(browser, ".picks select")).select_by_visible_text("the United States")
    wait(browser, lambda: "ChatGPT" in text_of(browser, ".backends"))
    click(browser, ".backends li:nth-child(2) .toggle")
    wait(browser, lambda: wire_is_shut(browser, "right"))
    assert desk.rules.backends["US"][1]["killed"]
    ask_both(browser, "Anybody there?")
    wait(browser, lambda: "This device's own model" in phone_text(browser, "right", ".path"))
    click(browser, ".backends li:nth-child(2) .toggle")
    wait(browser, lambda: not wire_is_shut(browser, "right"))
    browser.execute_script(
        "const i = document.querySelector('.canary input'); i.value = 0; i.dispatchEvent(new Event('change'))"
    )
    wait(browser, lambda: wire_is_shut(browser, "right"))
    assert desk.rules.backends["US"][1]["canary_bp"] == 0
    click(browser, ".backends li:last-child .toggle")
    news(browser, "Switched off")
    click(browser, ".faults summary")
    Select(browser.find_elements(By.CSS_SELECTOR, ".faults select")[2]).select_by_visible_text("breaks off")
    wait(browser, lambda: desk.faults == {"openai": "cut"})
    shot(browser, "stage-maker")


def test_travel_sim_and_forged_headers_change_nothing(opened):
    desk, browser = opened
    for side in ("left", "right"):
        shut = wire_is_shut(browser, side)
        for what in ("travel", "sim", "spoof"):
            click(browser, f"#place-{side} [data-what={what}]")
            wait(browser, lambda: "nothing changed" in text_of(browser, f"#place-{side} .proof"))
        assert wire_is_shut(browser, side) == shut
        assert len(browser.find_elements(By.CSS_SELECTOR, f"#place-{side} .chips .lie")) == 3
    assert "It was sold in mainland China." in text_of(browser, "#place-left .proof")
    shot(browser, "stage-travel")
    ask_both(browser, "unsure in San Francisco", by_name=True)
    wait(browser, lambda: "The assistant is off on this phone" in phone_text(browser, "left"))
    headers = next(h for path, h, _ in desk.phone("left").asked if path == "/v1/assistant")
    assert (
        headers["X-Forwarded-For"] == "8.8.8.8"
        and headers["Accept-Language"] == "en-US"
        and headers["X-Sold-In"] == "US"
    )
    assert not desk.phone("left").sent


def test_pulling_the_network_leaves_the_phones_own_model(opened):
    desk, browser = opened
    click(browser, "#place-right [data-what=network]")
    wait(browser, lambda: "no network" in text_of(browser, "#place-right .bar"))
    assert desk.phone("right").network_off and wire_is_shut(browser, "right")
    ask_both(browser, "Still there?")
    wait(browser, lambda: "This device's own model" in phone_text(browser, "right", ".path"))


def test_another_market_is_another_phone(opened):
    desk, browser = opened
    before = desk.phone("left")
    Select(find(browser, "#place-left .another select")).select_by_visible_text("Hong Kong")
    wait(browser, lambda: "Another phone, sold in Hong Kong" in text_of(browser, "#place-left .veil"))
    assert "was sold where it was sold" in text_of(browser, "#place-left .veil")
    shot(browser, "stage-another")
    wait(browser, lambda: desk.phone("left") is not before and desk.phone("left").sessions)
    wait(browser, lambda: not is_shown(browser, "#place-left .veil"))
    wait(browser, lambda: text_of(browser, "#place-left .partners").startswith("ChatGPT"))
    wait(browser, lambda: "Sold in Hong Kong" in phone_text(browser, "left", "#sold"))
    assert before.market == "CN" and before.network_off is False


def test_the_key_leaves_the_address_and_a_new_visit_gets_a_new_link(opened):
    desk, browser = opened
    assert browser.current_url == desk.url + "/"
    kept = browser.execute_script(
        "return [sessionStorage['tandem.desk'], JSON.stringify(localStorage), document.cookie]"
    )
    assert kept[0] == desk.key and desk.key not in kept[1] and kept[2] == ""
    assert not any(key in browser.page_source for p in desk.phones.values() for key in [desk.key, *p["phone"].sessions])
    for place in desk.phones.values():
        place["phone"].sessions.clear()
    browser.refresh()
    wait(browser, lambda: all(p["phone"].sessions for p in desk.phones.values()), 15)
    browser.switch_to.new_window("tab")
    browser.get(desk.url + "/")
    wait(browser, lambda: "desk's key" in text_of(browser, "#trouble"))
    browser.get_log("browser")


def test_a_phone_that_refuses_a_rule_says_why(opened):
    desk, browser = opened
    desk.phone("left").rules.version = 99
    click(browser, "#tab-maker")
    click(browser, ".backends li:last-child .toggle")
    news(browser, "A phone did not take it: the bundle has version 4, this phone 99")
    assert "bad" in find(browser, "#news").get_attribute("class")
    browser.get_log("browser")


def test_two_languages_dark_and_a_narrow_window(tmp_path):
    with stage(tmp_path / "zh", language="zh-CN", dark=True) as (desk, browser):
        assert text_of(browser, "#case h2") == "已提交"
        ask_both(browser, "帮我安排周末")
        wait(browser, lambda: "本机的助手功能未开放" in phone_text(browser, "left"))
        time.sleep(0.5)
        shot(browser, "stage-chinese-dark")
        click(browser, "#lang")
        wait(browser, lambda: "The assistant is off on this phone" in phone_text(browser, "left"))
        click(browser, "#theme")
        with on(browser, "left"):
            wait(browser, lambda: "dark" not in find(browser, "html").get_attribute("class"))
    with stage(tmp_path / "narrow", 390, 844) as (desk, browser):
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 390
        shot(browser, "stage-narrow")


def test_every_word_is_there_in_both_languages_and_everything_has_a_name(opened):
    desk, browser = opened
    differ = (
        "return Object.keys(TEXTS.en).filter(k => typeof TEXTS.en[k] !== typeof TEXTS.zh[k]).concat("
        "Object.keys(TEXTS.zh).filter(k => !(k in TEXTS.en)))"
    )
    assert browser.execute_script(differ) == []
    click(browser, "#tab-maker")
    unnamed = """return [...document.querySelectorAll('button, input, select, iframe')].filter(e => !(e.innerText ||
        e.title || e.getAttribute('aria-label') || e.labels?.[0]?.innerText)).map(e => e.outerHTML)"""
    assert browser.execute_script(unnamed) == []


def test_motion_is_for_what_travels_and_not_when_it_is_unwanted(opened):
    desk, browser = opened
    count = """window.seen = 0;
        const isCourier = n => n.className?.includes?.('courier');
        new MutationObserver(all => all.forEach(m => { window.seen += [...m.addedNodes].filter(isCourier).length }))
            .observe(document.body, {childList: true});"""
    browser.execute_script(count)
    click(browser, "[data-act=approve]")
    wait(browser, lambda: not wire_is_shut(browser, "left"))
    assert browser.execute_script("return window.seen") == 1  # the signed case, to the one phone that it is for
    reduce = {"name": "prefers-reduced-motion", "value": "reduce"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [reduce]})
    click(browser, "[data-act=withdraw]")
    wait(browser, lambda: wire_is_shut(browser, "left"))
    assert browser.execute_script("return window.seen") == 1
