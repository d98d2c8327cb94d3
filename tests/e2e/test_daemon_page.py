"""The page where keys are required and TLS is spoken: a link of the owner opens it, its session is its key."""
import re
import shutil

import pytest

import api_fixtures
import tls_fixtures
from api_fixtures import FAKE, Daemon

if not FAKE.exists() or not shutil.which("chromium") or not shutil.which("chromedriver"):
    pytest.skip("chromium, chromium-driver or the daemon is not here", allow_module_level=True)

from test_page import By, open_browser, say, wait


@pytest.fixture
def daemon(tmp_path):
    (tmp_path / "state").mkdir()
    api_fixtures.TLS = tls_fixtures.Pair(tmp_path)
    d = Daemon([FAKE, "127.0.0.1:0", "keys_required=true", f"state={tmp_path / 'state'}"])
    api_fixtures.TLS = None
    d.owner = {"Authorization": "Bearer " + (tmp_path / "state" / "owner.key").read_text().strip()}
    yield d
    assert d.stop() == 0


@pytest.fixture
def browser(tmp_path):
    b = open_browser(tmp_path / "profile", "--lang=en-US", "--ignore-certificate-errors")
    yield b
    b.quit()




def test_a_link_of_the_owner_opens_the_page_and_without_one_it_is_refused(daemon, browser):
    browser.get(daemon.url + "/")
    wait(browser, lambda: not browser.find_element(By.ID, "banner").is_displayed())
    say(browser, "nobody asks")
    wait(browser, lambda: "a key is needed here" in browser.find_element(By.TAG_NAME, "body").text)
    link = daemon.post({}, "/v1/owner/link", daemon.owner)[2]["link"]
    browser.get(f"{daemon.url}/#link={link}")
    browser.refresh()
    wait(browser, lambda: browser.execute_script("return Boolean(session) && health.state === 'ready'"))
    assert "link" not in browser.current_url
    wait(browser, lambda: browser.execute_script("return health.slots") == 2)  # all of /healthz, not the state alone
    say(browser, "the owner asks")
    wait(browser, lambda: re.search(r"the owner asks[\s\S]*the owner asks",
                                    browser.find_element(By.TAG_NAME, "body").text))
    assert browser.execute_script("return document.cookie") == ""
