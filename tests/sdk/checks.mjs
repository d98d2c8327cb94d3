// checks.mjs - what OpenAI's own JavaScript SDK must be able to do with a tandem daemon; one check a run.
//
//     node checks.mjs CHECK URL MODEL [FAKE_URL]
//
// test_sdk_javascript.py starts the daemons: URL serves real weights, FAKE_URL words at a pace, with one slot and no
// queue, so that refusals can be made to come when they are wanted. Exit 0: as expected; 1: the assertion is on stderr.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";

const [check, url, model, fakeUrl] = process.argv.slice(2);
const client = connect(url);

function connect(base, more = {}) {
  return new OpenAI({ baseURL: `${base}/v1`, apiKey: "none", maxRetries: 0, timeout: 120_000, ...more });
}

function question(content, more = {}) {
  return { model, messages: [{ role: "user", content }], temperature: 0, max_tokens: 24, ...more };
}

const ask = (content, more, options) => client.chat.completions.create(question(content, more), options);

async function said(stream) {
  let text = "", last = null;
  for await (const chunk of stream) {
    last = chunk;
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  return { text, last };
}

const health = async (base) => (await fetch(`${base}/healthz`)).json();

// Milliseconds until nothing runs; fails after the given ones.
async function untilIdle(base, limitMs) {
  const begin = performance.now();
  for (;;) {
    const { running, queued } = await health(base);
    const waited = performance.now() - begin;
    if (running === 0 && queued === 0) return waited;
    assert.ok(waited < limitMs, `after ${waited} ms ${running} run and ${queued} wait`);
    await sleep(2);
  }
}

async function untilRunning(base) {
  while ((await health(base)).running !== 1) await sleep(2);
}

// A request that stays in the only slot of the fake daemon until it is let go.
async function occupy() {
  const controller = new AbortController();
  const held = connect(fakeUrl).chat.completions
    .create(question("!mute", { model: undefined }), { signal: controller.signal })
    .catch((e) => e);
  await untilRunning(fakeUrl);
  return async () => {
    controller.abort();
    assert.ok((await held) instanceof OpenAI.APIUserAbortError);
  };
}

const checks = {
  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.deepEqual(ids, [model]);
    assert.equal((await client.models.retrieve(model)).object, "model");
    await assert.rejects(client.models.retrieve("gpt-4o"), OpenAI.NotFoundError);
  },

  async whole_and_stream() {
    const whole = await ask("Name three colours.");
    const text = whole.choices[0].message.content;
    assert.ok(text.length > 0);
    assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
    assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
    const streamed = await said(
      await ask("Name three colours.", { stream: true, stream_options: { include_usage: true } }));
    assert.equal(streamed.text, text);
    assert.deepEqual(streamed.last.choices, []);
    assert.equal(streamed.last.usage.completion_tokens, whole.usage.completion_tokens);
  },

  async stream_helper() { // the SDK's own accumulator, which checks the order of chunks
    const runner = client.chat.completions.stream(question("Count from one to five."));
    const pieces = [];
    runner.on("content", (delta) => pieces.push(delta));
    const final = await runner.finalChatCompletion();
    assert.equal(pieces.join(""), final.choices[0].message.content);
    assert.equal(final.choices[0].message.content, (await ask("Count from one to five.")).choices[0].message.content);
  },

  async decision() {
    const { data, response } = await ask("Hi", { max_tokens: 2 }).withResponse();
    assert.match(response.headers.get("x-tandem-decision"), /^[0-9a-f]{32}$/);
    assert.equal(data.tandem.decision, response.headers.get("x-tandem-decision"));
  },

  async logprobs() {
    const answer = await ask("Count to five.", { logprobs: true, top_logprobs: 5 });
    const tokens = answer.choices[0].logprobs.content;
    const bytes = Uint8Array.from(tokens.flatMap((t) => t.bytes));
    assert.equal(new TextDecoder().decode(bytes), answer.choices[0].message.content);
    for (const t of tokens) {
      assert.equal(t.top_logprobs.length, 5);
      assert.equal(t.top_logprobs[0].token, t.token); // temperature 0
    }
  },

  async candidates() { // n > 1: one prompt, several answers; the first is what a single one would be
    const seeded = { temperature: 1, seed: 11 };
    const several = await ask("Tell me a story.", { n: 3, ...seeded });
    assert.deepEqual(several.choices.map((c) => c.index), [0, 1, 2]);
    const texts = several.choices.map((c) => c.message.content);
    assert.equal(new Set(texts).size, 3);
    const alone = await ask("Tell me a story.", seeded);
    assert.equal(alone.choices[0].message.content, texts[0]);
    assert.equal(several.usage.prompt_tokens, alone.usage.prompt_tokens);
    const parts = ["", "", ""], ends = [];
    for await (const chunk of await ask("Tell me a story.", { n: 3, stream: true, ...seeded })) {
      for (const c of chunk.choices) {
        parts[c.index] += c.delta.content ?? "";
        if (c.finish_reason) ends.push(c.index);
      }
    }
    assert.deepEqual(parts, texts);
    assert.deepEqual(ends.sort(), [0, 1, 2]);
  },

  async abort_in_the_stream() {
    const stream = await ask("Write a very long story about a ship.", { stream: true, max_tokens: 900 });
    let n = 0;
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      if (++n === 5) {
        assert.equal((await health(url)).running, 1);
        stream.controller.abort();
      }
    }
    assert.ok(n < 900);
    assert.ok(await untilIdle(url, 2000) < 500);
    assert.ok((await ask("Say hi.")).choices[0].message.content);
  },

  async break_in_the_stream() { // leaving the loop must end the connection too
    let n = 0;
    for await (const chunk of await ask("Write a very long story about a ship.", { stream: true, max_tokens: 900 })) {
      assert.ok(chunk.id);
      if (++n === 5) break;
    }
    await untilIdle(url, 2000);
  },

  async abort_before_the_answer() {
    const controller = new AbortController();
    const pending = ask("Write a very long story about a ship.", { max_tokens: 900 }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 150);
    await assert.rejects(pending, OpenAI.APIUserAbortError);
    await untilIdle(url, 2000);
  },

  async refusals() {
    const cases = [
      [OpenAI.BadRequestError, 400, "temperature", null, question("x", { temperature: 9 })],
      [OpenAI.BadRequestError, 400, "temprature", "unknown_field", question("x", { temprature: 1 })],
      [OpenAI.BadRequestError, 400, "tools", "not_built",
        question("x", { tools: [{ type: "function", function: { name: "f", parameters: {} } }] })],
      [OpenAI.BadRequestError, 400, null, "context_length_exceeded", question("word ".repeat(3000))],
      [OpenAI.NotFoundError, 404, "model", "model_not_found", question("x", { model: "gpt-4o" })],
    ];
    for (const [type, status, param, code, body] of cases) {
      for (const stream of [false, true]) {
        await assert.rejects(client.chat.completions.create({ ...body, stream }), (e) => {
          assert.ok(e instanceof type, e.constructor.name);
          assert.equal(e.status, status);
          if (param) assert.equal(e.param, param);
          if (code) assert.equal(e.code, code);
          return e.message.length > 0 && e.type !== undefined;
        });
      }
    }
    await assert.rejects(connect(url, { defaultHeaders: { Origin: "http://elsewhere.example" } }).models.list(),
      (e) => e instanceof OpenAI.PermissionDeniedError && e.status === 403 && e.code === "foreign_origin");
    await assert.rejects(client.embeddings.create({ model, input: "x" }), OpenAI.NotFoundError);
    await assert.rejects(client.completions.create({ model, prompt: "x" }), OpenAI.NotFoundError);
  },

  async busy() {
    const release = await occupy();
    await assert.rejects(connect(fakeUrl).chat.completions.create(question("one more", { model: undefined })), (e) => {
      assert.ok(e instanceof OpenAI.RateLimitError);
      assert.equal(e.headers.get("retry-after"), "1");
      return e.code === "queue_full";
    });
    await release();
  },

  async retries() { // the SDK waits as Retry-After says, asks again, and then has the answer
    const release = await occupy();
    const begin = performance.now();
    const pending = connect(fakeUrl, { maxRetries: 4 }).chat.completions
      .create(question("now then", { model: undefined }));
    await sleep(300);
    await release();
    assert.equal((await pending).choices[0].message.content, "now then");
    assert.ok(performance.now() - begin >= 900);
  },

  async timeout() {
    const impatient = connect(fakeUrl, { timeout: 200 });
    await assert.rejects(impatient.chat.completions.create(question("!mute", { model: undefined })),
      OpenAI.APIConnectionTimeoutError);
    await untilIdle(fakeUrl, 2000);
  },

  async failures() { // an error before the first word has its status; one behind it ends the stream with an error
    const fake = connect(fakeUrl);
    await assert.rejects(fake.chat.completions.create(question("!broken", { model: undefined })),
      (e) => e instanceof OpenAI.InternalServerError && e.status === 500);
    const late = await fake.chat.completions.create(
      question("!late one two three", { model: undefined, stream: true }));
    await assert.rejects(said(late), OpenAI.APIError);
    await untilIdle(fakeUrl, 2000);
  },

  async not_ready() { // url is a daemon whose model is still on its way
    await assert.rejects(ask("early", { model: undefined }), (e) => {
      assert.ok(e instanceof OpenAI.InternalServerError); // what the SDK calls every status from 500 on
      assert.equal(e.status, 503);
      assert.ok(e.headers.get("retry-after"));
      return e.code === "model_loading";
    });
  },

  async feature_off() { // url is a daemon whose market has not approved the feature
    await assert.rejects(ask("hello", { model: undefined }), (e) => {
      assert.ok(e instanceof OpenAI.PermissionDeniedError);
      return e.status === 403 && e.code === "feature_off" && e.error.reason.length > 0;
    });
  },

  async sixteen_at_once() {
    const prompts = Array.from({ length: 16 }, (_, i) => `What is ${i} plus ${i + 1}? Answer in one sentence.`);
    const alone = [];
    for (const p of prompts) alone.push((await ask(p)).choices[0].message.content);
    const together = await Promise.all(prompts.map(async (p, i) => i % 2
      ? (await ask(p)).choices[0].message.content
      : (await said(await ask(p, { stream: true }))).text));
    assert.deepEqual(together, alone);
    await untilIdle(url, 2000);
  },
};

await checks[check]();
