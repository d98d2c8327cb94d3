"use strict";
/* assistant.js - POST /v1/assistant: its events, read into a run. This phone's own model answers first; an offer of a
   partner ends a stream, and the owner's word about it begins the next (consent.js). */

const takeEvent = {
  decision(run, data) {
    run.decision = data;
    run.facts.decision = data.decision;
    if (data.path === "off") tellStage({ event: "state", state: "off" });
  },
  text(run, data) {
    if (data.label) {
      run.label = data.text;
      return;
    }
    if (data.source !== "own" && !run.text) tellStage({ event: "state", state: "came", partner: data.source });
    run.add(data.text);
  },
  offer(run, data) {
    run.offer = data;
    tellStage({ event: "state", state: "offered", partner: data.partner.id });
    openSheet(run);
  },
  retract(run, data) {
    run.retract = data;
    run.text = "";
    run.label = "";
    run.show();
  },
  receipt(run, data) {
    run.receipt = data;
    if (run.leaving) run.leaving = { ...run.leaving, n: data.bytes_sent };
    else run.leaving = { partner: data.partner, n: data.bytes_sent };
    if (!run.toldLeaving) tellStage({ event: "state", state: "left", partner: data.partner, bytes: data.bytes_sent });
    run.toldLeaving = true;
  },
  error(run, data) {
    run.problem = data;
  },
  done(run, data) {
    run.done = data;
    run.whole = true;
    if (run.text) run.cost(data.timings);
    if (data.state === "cancelled" || data.state === "stopped") run.facts.note = "stopped";
    tellStage({ event: "state", state: data.state, path: data.source ?? run.decision?.path ?? "" });
  },
};

/* extras: named (a partner's id), or offer + consent + earlier_turns, or headers that the stage's switch forges. */
async function askAssistant(run, messages) {
  const { named, offer, consent, earlier } = run.extras;
  run.isAssistant = true;
  const body = offer ? { offer, consent, earlier_turns: earlier ?? 0, lang } : { messages, lang };
  if (!offer && named) body.partner = named;
  if (consent === "once" || consent === "always") {
    run.leaving = { partner: run.extras.partner.id, n: run.extras.bytes };
    run.toldLeaving = true;
    tellStage({ event: "state", state: "left", partner: run.extras.partner.id, bytes: run.extras.bytes });
    showUnder(run);
  }
  const response = await fetch("v1/assistant", {
    method: "POST",
    signal: run.abort.signal,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...pretence, ...(offer ? ownerHeaders() : keyHeaders()) },
  });
  if (!response.ok) {
    const refusal = await refusalOf(response);
    if (response.status === 401) loseSession();
    throw refusal;
  }
  for await (const { event, data } of events(response.body)) {
    takeEvent[event]?.(run, data); // events may be added: an unknown one is not ours
    if (event !== "text") showUnder(run);
    if (event === "done") break;
  }
  if (run.problem && run.done?.state !== "answered") throw new Error(sentence(run.problem));
}
