"use strict";
/* talk.js - turns: the question, the answer as it streams, what it cost, stopping and trying again. Who answers is not
   decided here: answerWith(run, messages) reads one answer into run, and sets run.whole when the end was seen. */
let talk = []; // what was asked and answered: {role, content}, whole pairs only
let runs = []; // all answers on the page, to be drawn again in the other language
let running = null; // the answer on its way
let answerWith = null; // askChat or askAssistant; phone.js knows which
let mayAsk = () => false;
let idleWaiters = []; // told once, when the answer on its way has ended

/* Whoever reads at the end stays at the end, however much comes at once; whoever has scrolled up is left there. */
let isAtEnd = true;
$("scroll").onscroll = () => {
  const s = $("scroll");
  isAtEnd = s.scrollHeight - s.scrollTop - s.clientHeight < 60;
};

function follow(force) {
  if (force || isAtEnd) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function showMeta(run) {
  const f = run.facts,
    parts = [];
  const span = (text, className) => parts.push(make("span", className, text));
  if (f.note) span(t(f.note), "note");
  if (f.model && !run.isAssistant) span(f.model);
  if (f.rate) span(t("rate", f.rate.toFixed(1)));
  if (f.tokens) span(t("tokens", f.tokens));
  if (f.first) span(t("first", f.first.toFixed(2)));
  if (f.decision && !run.offer) {
    const id = button(`${t("decision")} ${short(f.decision)}`, "", () => navigator.clipboard.writeText(f.decision));
    id.title = f.decision;
    parts.push(id);
  }
  run.meta.replaceChildren(...parts);
}

function showError(run, mine, message) {
  const retry = button(t("retry"), "", () => {
    if (running || mine !== talk) return;
    const at = mine.indexOf(run.said); // the half that came is not part of the talk
    if (at >= 0) mine.splice(at - 1);
    run.answer.remove();
    runs = runs.filter(other => other !== run);
    reply(run.question, run.extras);
  });
  retry.dataset.t = "retry";
  run.answer.append(group("div", "error", make("span", "", message), retry));
  run.answer.lastElementChild.setAttribute("role", "alert");
}

/* One answer on the page. draw() shows the text that came, more than once a frame is not drawn. */
function beginAnswer(question) {
  const body = make("div", "body"),
    under = make("div", "under"),
    meta = make("div", "meta");
  const answer = group("article", "turn answer waiting", body, under, meta);
  $("log").append(answer);
  const run = {
    question,
    abort: new AbortController(),
    begin: performance.now(),
    text: "",
    pieces: 0,
    facts: {},
    answer,
    under,
    meta,
    drawn: false,
    extras: {},
  };
  run.draw = () => {
    run.drawn = false;
    answer.className = "turn answer " + (running !== run ? "" : run.text ? "streaming" : "waiting");
    render(body, run.text);
    showMeta(run);
    follow();
  };
  run.show = () => {
    if (!run.drawn) {
      run.drawn = true;
      requestAnimationFrame(run.draw);
    }
  };
  run.add = text => {
    run.text += text;
    run.pieces++;
    const now = performance.now();
    run.firstAt ??= now;
    run.facts.first = (run.firstAt - run.begin) / 1000;
    run.facts.tokens = run.pieces;
    if (run.pieces > 2) run.facts.rate = (run.pieces - 1) / ((now - run.firstAt) / 1000);
    run.show();
  };
  run.cost = timings => {
    if (!timings) return;
    run.facts.tokens = timings.decode_tokens;
    if (timings.decode_ms > 0) run.facts.rate = (timings.decode_tokens / timings.decode_ms) * 1000;
  };
  runs.push(run);
  return run;
}

/* A stand-in's mark is for the reader: the own model, shown it in an earlier turn, would put it before its own. */
const unmarked = text => text.replace(/^\[EMULATED [^\]\n]*\] /, "");

/* Asks for the answer to question; extras go to answerWith in run.extras. instead: a run whose answer this replaces. */
async function reply(question, extras = {}, instead = null) {
  const run = beginAnswer(question),
    mine = talk; // a new chat may begin before this answer has ended
  run.extras = extras;
  running = run;
  setRunning(true);
  follow(true);
  const before = instead?.said ? mine.slice(0, mine.indexOf(instead.said) - 1) : mine;
  try {
    await answerWith(run, [...before, question]);
    if (!run.whole) throw new Error(t("broken"));
  } catch (problem) {
    if (run.abort.signal.aborted) run.facts.note = "stopped";
    else showError(run, mine, problemText(problem));
  }
  if (run.text) {
    run.said = { role: "assistant", content: unmarked(run.text) };
    const at = instead?.said ? mine.indexOf(instead.said) : -1;
    if (at >= 0) mine.splice(at, 1, run.said);
    else mine.push(question, run.said);
  }
  if (running === run) {
    running = null;
    setRunning(false);
  }
  run.draw();
  for (const told of idleWaiters.splice(0)) told();
  if (run.isAssistant) readDevice(); // a consent, a receipt or a model may have come
}

const whenIdle = () =>
  running
    ? new Promise(resolve => {
        idleWaiters.push(resolve);
      })
    : Promise.resolve();

function setRunning(on) {
  $("send").hidden = on;
  $("stop").hidden = !on;
  $("log").setAttribute("aria-busy", String(on));
  fit();
  if (!on && document.hasFocus()) $("prompt").focus(); // a framed page leaves the focus where the reader has it
}

/* False when nothing was asked: no text, an answer on its way, or no model yet. */
function send(text, extras) {
  if (!text || running || !mayAsk()) return false;
  $("hello").hidden = true;
  $("log").append(group("article", "turn user", make("div", "", text)));
  reply({ role: "user", content: text }, extras);
  return true;
}

function sendPrompt() {
  if (!send($("prompt").value.trim(), chosenExtras())) return;
  $("prompt").value = "";
  fit();
}

function fit() {
  const p = $("prompt");
  p.style.height = "auto";
  p.style.height = `${p.scrollHeight}px`;
  $("send").disabled = !mayAsk() || !p.value.trim();
}

function beginTalk() {
  running?.abort.abort();
  running = null;
  talk = [];
  runs = [];
  for (const turn of document.querySelectorAll(".turn")) turn.remove();
  $("hello").hidden = false;
  setRunning(false);
}

$("form").onsubmit = e => {
  e.preventDefault();
  sendPrompt();
};
$("stop").onclick = () => running?.abort.abort();
$("prompt").oninput = fit;
$("prompt").onkeydown = e => {
  const composing = e.isComposing || e.keyCode === 229; // Enter that ends an input method's word is not ours
  if (e.key === "Enter" && !e.shiftKey && !composing) {
    e.preventDefault();
    sendPrompt();
  }
};
document.onkeydown = e => {
  if (e.key !== "Escape" || e.isComposing) return;
  if (sheetRun) closeSheet("later");
  else running?.abort.abort();
};
$("fresh").onclick = beginTalk;
