"use strict";
/* phone.js - what this page is: a chat, or a phone with a record; the owner's session; the stage, if there is one.

   The stage frames this page and asks it to do what only the owner may. It is obeyed only when the daemon itself named
   its origin, and it never gets the session: it hands in signed bytes, the daemon verifies them. */
let health = { state: "loading", percent: 0, model: "" };
let device = null; // GET /v1/device; null: a daemon without a record
let features = null;
let session = secrets.get("tandem.session");
let pretence = {}; // headers that lie about where this phone is: the stage's switch; they change nothing

const stageMeta = document.querySelector('meta[name="tandem-stage"]').content;
const stage = /^https?:\/\/[\w.:[\]-]+$/.test(stageMeta) && window.parent !== window ? stageMeta : null;
const ownerHeaders = () => ({ Authorization: `Bearer ${session}` });
const keyHeaders = () => (session ? ownerHeaders() : {}); // where others reach the daemon, each request needs a key

function tellStage(message) {
  if (stage) window.parent.postMessage({ tandem: 1, ...message }, stage);
}

const tellDevice = () => tellStage({ event: "device", device, features, owner: Boolean(session) });

/* ---- the owner's session ---- */

async function takeLink() {
  const link = takeFromAddress("link");
  if (!link) return;
  try {
    session = (await call("v1/owner/session", { link })).session;
    secrets.set("tandem.session", session);
  } catch (problem) {
    if (problem.status !== 404) tellStage({ event: "state", state: "no_session", text: problemText(problem) });
  }
}

/* A session that this tab kept may be of a phone that stood here before. */
async function checkSession() {
  if (!session) return;
  try {
    await call("v1/consents", undefined, ownerHeaders());
  } catch (problem) {
    if (problem.status === 401) loseSession();
  }
}

function loseSession() {
  session = null;
  secrets.drop("tandem.session");
  tellDevice();
}

/* ---- the model's and the device's state ---- */

function showHealth() {
  const state = health.state,
    isAway = state === "away";
  $("model-name").textContent = health.model || said(device?.model?.name) || "";
  $("dot").className = "dot " + (state === "ready" ? "ready" : state === "failed" || isAway ? "failed" : "busy");
  $("banner").hidden = state === "ready";
  $("banner").className = state === "failed" || isAway ? "failed" : "";
  $("banner-text").textContent = t(state, health.percent) + (health.message ? " " + health.message : "");
  $("bar").hidden = state !== "downloading";
  $("bar").firstElementChild.style.width = `${health.percent}%`;
  $("send").disabled = !mayAsk() || !$("prompt").value.trim();
}

async function watchHealth() {
  const before = health.state;
  try {
    const answer = await fetch("healthz", {
      cache: "no-store",
      headers: keyHeaders(),
      signal: AbortSignal.timeout(4000),
    });
    health = await answer.json();
  } catch {
    health = { ...health, state: "away", message: "" };
  }
  showHealth();
  if (device && before !== health.state && health.state !== "away") await readDevice();
  setTimeout(watchHealth, health.state === "ready" ? 5000 : 700);
}

/* Reads what this device is. 404: a daemon without devices; ZZ: one without a record. Both are the plain chat. 401: the
   session is of a phone that stood here before. */
async function readDevice() {
  try {
    const read = await call("v1/device", undefined, keyHeaders());
    device = read.market?.id === "ZZ" ? null : read;
    features = device ? await call("v1/features", undefined, { ...pretence, ...keyHeaders() }) : null;
  } catch (problem) {
    if (problem.status === 401 && session) {
      loseSession();
      return readDevice();
    }
    if (problem.status === 404) device = null;
  }
  showDevice();
  tellDevice();
}

function showDevice() {
  const isPhone = device !== null;
  answerWith = isPhone ? askAssistant : askChat;
  // A phone may be asked before its model is there: that it is not there yet is an answer. A chat may not.
  mayAsk = () => (isPhone ? health.state !== "away" : health.state === "ready");
  $("tabs").hidden = !isPhone;
  $("sold").hidden = !isPhone;
  $("settings-box").hidden = isPhone;
  const off = features?.assistant?.state === "off" ? features.assistant : null; // said before anybody has to ask
  $("hello-title").textContent = t(off ? "off_title" : "hello");
  $("here").textContent = off ? sentence(off) : t(isPhone ? "here_phone" : "here");
  $("ideas").hidden = Boolean(off);
  $("ideas").replaceChildren(
    ...t(isPhone ? "ideas_phone" : "ideas").map(idea => button(idea, "", () => send(idea, chosenExtras()))),
  );
  if (isPhone) {
    $("sold").replaceChildren(make("span", "", t("sold_in", soldWhere())));
    if (device.record?.demo || device.market?.demo) $("sold").append(mark("demo"));
    if (view === "device") fillDevice();
  }
  showWhom();
  showHealth();
}

/* The market by name; a region that no market covers by its code. */
const soldWhere = () => said(device.market?.name) || device.sold_in || "?";

function showWhom() {
  const partners = (device?.partners ?? []).filter(p => p.features?.includes("assistant"));
  const kept = $("whom").value;
  $("whom-line").hidden = !partners.length;
  fillSelect(
    $("whom"),
    [["", t("whom_own")], ...partners.map(p => [p.id, said(p.name) + (p.emulated ? ` (${t("emulated")})` : "")])],
    partners.some(p => p.id === kept) ? kept : "",
  );
}

/* Whom the owner chose to ask by name. */
const chosenExtras = () => (device && $("whom").value ? { named: $("whom").value } : {});

function showAll() {
  showWords();
  showDevice();
  for (const run of runs) {
    run.draw();
    if (run.isAssistant) showUnder(run);
  }
  if (sheetRun) drawSheet();
  fillView();
}

/* ---- the stage ---- */

const obey = {
  async policy({ bundle }) {
    await call("v1/policy", bundle, ownerHeaders());
  },
  async filing(message) {
    await call("v1/filings", message.case, ownerHeaders());
  },
  async network({ off }) {
    await call("v1/network", { off: Boolean(off) }, ownerHeaders());
  },
  async ask({ text, partner }) {
    showView("talk");
    closeSheet("later");
    running?.abort.abort();
    await whenIdle();
    const first = device?.partners?.find(p => p.features?.includes("assistant"));
    if (!send(String(text).trim(), partner && first ? { named: first.id } : {}))
      throw new Error(t(health.state, health.percent));
  },
  look({ lang: language, dark }) {
    if (Object.hasOwn(TEXTS, language)) lang = language;
    showTheme(Boolean(dark));
    showAll();
  },
  /* Lies in every header that a careless gate would believe; the answer is what the phone says all the same. */
  async pretend({ headers }) {
    pretence = {};
    if (headers) {
      const where = String(headers).slice(0, 2).toUpperCase(),
        tongue = where === "CN" ? "zh-CN" : "en-US";
      pretence = {
        "Accept-Language": tongue,
        "X-Forwarded-For": where === "CN" ? "223.5.5.5" : "8.8.8.8",
        "X-Real-IP": where === "CN" ? "223.5.5.5" : "8.8.8.8",
        "CF-IPCountry": where,
        "X-Country": where,
        "X-Device-Region": where,
        "X-Sold-In": where,
      };
    }
    return JSON.stringify((await call("v1/features", undefined, { ...pretence, ...keyHeaders() })).assistant);
  },
};

async function hear(e) {
  if (!stage || e.origin !== stage || e.source !== window.parent || e.data?.tandem !== 1) return;
  const { do: what, id } = e.data;
  if (!Object.hasOwn(obey, what)) return;
  let ok = true,
    text = "";
  try {
    text = (await obey[what](e.data)) ?? "";
  } catch (problem) {
    ok = false;
    text = problemText(problem);
    if (problem.status === 401) loseSession();
  }
  if (what !== "ask" && what !== "look") await readDevice();
  tellStage({ did: what, id, ok, text });
}

async function begin() {
  if (stage) document.documentElement.classList.add("framed");
  watchTabs();
  watchLook(showAll);
  showView("talk");
  showAll();
  addEventListener("message", hear);
  addEventListener("hashchange", async () => {
    await takeLink();
    await readDevice();
  });
  await takeLink();
  await checkSession();
  await readDevice();
  if (!stage) $("prompt").focus();
  tellStage({ event: "ready", device, features, owner: Boolean(session) });
  watchHealth();
}

begin();
