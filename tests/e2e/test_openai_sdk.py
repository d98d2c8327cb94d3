"""The official OpenAI SDK against tandem serve with real weights.

SmolLM2 (135M) for most of it, Qwen 2.5 0.5B for one; TANDEM_MODELS names the folder that has their GGUF files.
"""
import concurrent.futures

import pytest

from api_fixtures import TANDEM, Daemon, weights

openai = pytest.importorskip("openai")

SMOL, QWEN = weights("smollm2-135m"), weights("qwen2.5-coder-0.5b")
if not TANDEM.exists():
    pytest.skip(f"{TANDEM} is not built", allow_module_level=True)
if not SMOL:
    pytest.skip("no SmolLM2 weights: TANDEM_MODELS does not name their folder", allow_module_level=True)


@pytest.fixture(scope="module")
def daemon():
    d = Daemon([TANDEM, "serve", "-m", SMOL, "--listen", "127.0.0.1:0", "-c", "1024", "--parallel", "4"])
    yield d.wait_ready()
    assert d.stop() == 0


@pytest.fixture(scope="module")
def client(daemon):
    return openai.OpenAI(base_url=daemon.url + "/v1", api_key="none", max_retries=0, timeout=120)


def ask(client, text, **more):
    return client.chat.completions.create(model=SMOL.stem, messages=[{"role": "user", "content": text}],
                                          **{"temperature": 0, "max_tokens": 24, **more})


def said(stream):
    """The text of a stream and its last chunk."""
    text, last = "", None
    for chunk in stream:
        last = chunk
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
    return text, last


def test_models_are_listed(client):
    assert [m.id for m in client.models.list()] == [SMOL.stem]
    assert client.models.retrieve(SMOL.stem).object == "model"


def test_whole_and_streamed_answers_agree(client):
    whole = ask(client, "Name three colours.")
    assert whole.choices[0].message.content and whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert 0 < whole.usage.completion_tokens <= 24
    text, last = said(ask(client, "Name three colours.", stream=True, stream_options={"include_usage": True}))
    assert text == whole.choices[0].message.content
    assert last.choices == [] and last.usage.completion_tokens == whole.usage.completion_tokens
    assert last.usage.prompt_tokens == whole.usage.prompt_tokens


def test_the_decision_is_in_the_header_and_in_the_answer(client):
    raw = client.chat.completions.with_raw_response.create(
        model=SMOL.stem, messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
    decision = raw.headers["x-tandem-decision"]
    assert len(decision) == 32 and raw.parse().to_dict()["tandem"]["decision"] == decision


def test_logprobs(client):
    answer = ask(client, "Count to five.", logprobs=True, top_logprobs=5)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) >= answer.usage.completion_tokens - 1  # the token that ends the turn has no text
    assert b"".join(bytes(t.bytes) for t in tokens).decode() == answer.choices[0].message.content
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 5
        tops = [t.logprob for t in token.top_logprobs]
        assert tops == sorted(tops, reverse=True)
        assert token.top_logprobs[0].token == token.token  # temperature 0
    streamed = [t for c in ask(client, "Count to five.", logprobs=True, top_logprobs=5, stream=True)
                if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [t.to_dict() for t in streamed] == [t.to_dict() for t in tokens]


def test_stop_strings_never_appear(client):
    question = "Count from one to ten in words, separated by commas."
    full = ask(client, question, max_tokens=40).choices[0].message.content
    middle = full[len(full) // 2:len(full) // 2 + 4]
    cut = ask(client, question, max_tokens=40, stop=["never-said", middle])
    assert cut.choices[0].message.content == full[:full.index(middle)] and cut.choices[0].finish_reason == "stop"


def test_a_seed_repeats_and_another_differs(client):
    texts = [ask(client, "Tell me a story.", temperature=1, seed=seed, max_tokens=32).choices[0].message.content
             for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_n_choices_are_what_each_seed_gives_alone(client):
    how = {"temperature": 1.2, "max_tokens": 12}
    whole = ask(client, "Name an animal.", n=3, seed=40, **how)
    assert [c.index for c in whole.choices] == [0, 1, 2]
    alone = [ask(client, "Name an animal.", seed=40 + i, **how) for i in range(3)]
    assert [c.message.content for c in whole.choices] == [a.choices[0].message.content for a in alone]
    assert [c.finish_reason for c in whole.choices] == [a.choices[0].finish_reason for a in alone]
    assert whole.usage.completion_tokens == sum(a.usage.completion_tokens for a in alone)
    assert whole.usage.prompt_tokens == alone[0].usage.prompt_tokens
    texts, finishes = ["", "", ""], [None] * 3
    for chunk in ask(client, "Name an animal.", n=3, seed=40, stream=True, logprobs=True, **how):
        for c in chunk.choices:
            texts[c.index] += c.delta.content or ""
            finishes[c.index] = c.finish_reason or finishes[c.index]
    assert texts == [c.message.content for c in whole.choices]
    assert finishes == [c.finish_reason for c in whole.choices]


def test_max_tokens_ends_with_length(client):
    answer = ask(client, "Write a long poem about the sea.", max_completion_tokens=5, max_tokens=5)
    assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 5


def test_refusals_arrive_as_the_sdks_own_errors(client):
    with pytest.raises(openai.BadRequestError) as e:
        ask(client, "x", n=9)
    assert e.value.param == "n"
    with pytest.raises(openai.BadRequestError):
        ask(client, "x", tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError) as e:
        ask(client, "word " * 3000)
    assert e.value.code == "context_length_exceeded" and "1024" in str(e.value)
    assert ask(client, "Say hi.").choices[0].message.content


def test_sixteen_at_once_answer_as_alone(daemon, client):
    prompts = [f"What is {i} plus {i + 1}? Answer in one sentence." for i in range(16)]
    alone = [ask(client, p).choices[0].message.content for p in prompts]

    def one(i):
        if i % 2:
            return ask(client, prompts[i]).choices[0].message.content
        return said(ask(client, prompts[i], stream=True))[0]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(one, range(16)))
    assert together == alone
    daemon.wait_idle(1)


def median_of_three(once):
    """One descheduled thread on a busy machine is no finding; a slot that stays taken is."""
    return sorted(once() for _ in range(3))[1]


def test_a_cancel_in_the_middle_frees_the_slot(daemon, client):
    def once():
        stream = ask(client, "Write a very long story about a ship.", stream=True, max_tokens=900)
        for i, _ in enumerate(stream):
            if i == 5:
                break
        assert daemon.health()["running"] == 1
        stream.close()
        return daemon.wait_idle(2)
    assert median_of_three(once) < 0.2


def test_a_prediction_changes_no_text_and_is_counted(daemon, client):
    plain = ask(client, "Name three colours.", max_tokens=40)
    text = plain.choices[0].message.content
    assert plain.usage.completion_tokens_details is None
    predicted = ask(client, "Name three colours.", max_tokens=40, prediction={"type": "content", "content": text})
    assert predicted.choices[0].message.content == text
    details = predicted.usage.completion_tokens_details
    assert details.accepted_prediction_tokens + details.rejected_prediction_tokens > 0
    assert details.accepted_prediction_tokens < predicted.usage.completion_tokens
    sampled = [ask(client, "Name three colours.", temperature=1, seed=3, **more).choices[0].message.content
               for more in ({}, {"prediction": {"type": "content", "content": text}})]
    assert sampled[0] == sampled[1]
    assert daemon.metric("tandem_draft_tokens_total") >= daemon.metric("tandem_draft_tokens_accepted_total")


def test_a_cancel_in_the_prompt_frees_the_slot(daemon, client):
    before = daemon.metric("tandem_clients_gone_total")
    impatient = client.with_options(timeout=0.3)

    def once():
        begin = daemon.metric("tandem_clients_gone_total")
        with pytest.raises(openai.APITimeoutError):
            ask(impatient, f"{begin} many different words " * 120, max_tokens=900)
        return daemon.wait_idle(2)
    assert median_of_three(once) < 0.2
    assert daemon.metric("tandem_clients_gone_total") == before + 3


def test_a_conversation_reuses_its_prefix(client):
    talk = [{"role": "user", "content": "Name a fruit and describe it at length."}]
    first = client.chat.completions.create(model=SMOL.stem, messages=talk, temperature=0, max_tokens=30)
    talk += [{"role": "assistant", "content": first.choices[0].message.content},
             {"role": "user", "content": "Another?"}]
    second = client.chat.completions.create(model=SMOL.stem, messages=talk, temperature=0, max_tokens=10)
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens


@pytest.mark.skipif(not QWEN, reason="no Qwen 2.5 0.5B weights in TANDEM_MODELS")
def test_qwen_answers():
    d = Daemon([TANDEM, "serve", "-m", QWEN, "--listen", "127.0.0.1:0", "-c", "2048"])
    try:
        d.wait_ready()
        client = openai.OpenAI(base_url=d.url + "/v1", api_key="none", max_retries=0, timeout=120)
        answer = client.chat.completions.create(
            model="qwen2.5-coder-0.5b", temperature=0, max_tokens=16, seed=1,
            messages=[{"role": "system", "content": "Answer with one word."},
                      {"role": "user", "content": "What is the capital of France?"}])
        assert "Paris" in answer.choices[0].message.content
    finally:
        assert d.stop() == 0
