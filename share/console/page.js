"use strict";
/* page.js - what both pages stand on. What a server, a partner, a model or a user wrote reaches the document only as
   text nodes: make() and textContent are the only ways in. TEXTS is the page's own table of words. */
const $ = id => document.getElementById(id);

function keeper(storage) {
  // a page without storage still works
  return {
    get(key) {
      try {
        return storage().getItem(key);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        storage().setItem(key, value);
      } catch {
        /* kept for this visit only */
      }
    },
    drop(key) {
      try {
        storage().removeItem(key);
      } catch {
        /* nothing was kept */
      }
    },
  };
}
const store = keeper(() => localStorage); // language and theme
const secrets = keeper(() => sessionStorage); // a session or desk key: this tab only

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

function group(tag, className, ...children) {
  const node = make(tag, className);
  node.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
  return node;
}

function button(text, className, onclick) {
  const node = make("button", className, text);
  node.type = "button";
  node.onclick = onclick;
  return node;
}

/* A word of the page that stays with its node, so that the other language can replace it. */
function label(tag, className, key) {
  const node = make(tag, className, t(key));
  node.dataset.t = key;
  return node;
}

/* The choices of a select as [value, name]; one that is open stays as it is when nothing is new. */
function fillSelect(select, options, value) {
  const now = JSON.stringify(options);
  if (select.dataset.options !== now) select.replaceChildren(...options.map(([v, name]) => new Option(name, v)));
  select.dataset.options = now;
  if (document.activeElement !== select) select.value = value;
}

const mark = key => label("span", "mark", key);
const short = (text, n = 8) => (typeof text === "string" ? text.slice(0, n) : "");

/* ---- words, in the language of the moment ---- */

let lang = store.get("lang") || ((navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en");

function t(key, ...values) {
  const word = TEXTS[lang][key] ?? TEXTS.en[key] ?? key;
  return typeof word === "function" ? word(...values) : word;
}

/* A name that comes in both languages, or as one text. */
const said = name =>
  name === null || name === undefined ? "" : typeof name === "string" ? name : String(name[lang] ?? name.en ?? "");
const isClosed = /[.!?…。！？]$/;
/* A server's sentence: {text, text_zh}, without its full stop. */
function sentence(from) {
  const text = (lang === "zh" && from?.text_zh) || from?.text || "";
  return !text || isClosed.test(text) ? text : text + t("stop_mark");
}

function moment(value) {
  // RFC 3339, or seconds since 1970
  const at = new Date(typeof value === "number" ? value * 1000 : value);
  return value === null || value === undefined || Number.isNaN(at.getTime()) ? null : at;
}

const LOCALES = { en: "en-GB", zh: "zh-CN" };

function day(value) {
  const at = moment(value);
  return at
    ? at.toLocaleDateString(LOCALES[lang], {
        year: "numeric",
        month: lang === "zh" ? "long" : "short",
        day: "numeric",
        timeZone: "UTC",
      })
    : "";
}

function clock(value) {
  const at = moment(value);
  return at ? at.toLocaleTimeString(LOCALES[lang], { hour: "2-digit", minute: "2-digit" }) : "";
}

const bytes = n => (n === undefined || n === null ? "" : n < 1024 ? t("bytes", n) : `${(n / 1024).toFixed(1)} KiB`);

function showWords() {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.tLabel);
  }
  for (const node of document.querySelectorAll("[data-t-placeholder]")) {
    node.placeholder = t(node.dataset.tPlaceholder);
  }
  for (const node of document.querySelectorAll("[data-t-title]")) node.title = t(node.dataset.tTitle);
  $("lang").textContent = t("other");
  $("lang").lang = lang === "zh" ? "en" : "zh-CN";
}

/* ---- light and dark ---- */

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => document.documentElement.classList.contains("dark");
const showTheme = dark => document.documentElement.classList.toggle("dark", dark);
showTheme(store.get("theme") ? store.get("theme") === "dark" : systemDark.matches);

/* Wires the two buttons that every page has; changed() is called when language or theme is another. */
function watchLook(changed) {
  $("lang").onclick = () => {
    lang = lang === "zh" ? "en" : "zh";
    store.set("lang", lang);
    changed();
  };
  $("theme").onclick = () => {
    store.set("theme", isDark() ? "light" : "dark");
    showTheme(!isDark());
    changed();
  };
  systemDark.addEventListener("change", e => {
    if (!store.get("theme")) {
      showTheme(e.matches);
      changed();
    }
  });
}

/* ---- asking the server that this page came from ---- */

class Refused extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/* What a response says went wrong, in OpenAI's envelope; any other body gives the status. */
async function refusalOf(response) {
  let said;
  try {
    said = (await response.json()).error;
  } catch {
    /* no JSON: the status is all there is */
  }
  return new Refused(response.status, said?.code ?? "", said?.message ?? t("status", response.status));
}

/* GET, or POST of body as JSON; the parsed answer. Throws Refused, or TypeError when nobody is there. */
async function call(path, body, headers = {}) {
  const response = await fetch(
    path,
    body === undefined
      ? { cache: "no-store", headers }
      : { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) },
  );
  if (!response.ok) throw await refusalOf(response);
  return response.json();
}

const problemText = problem =>
  problem instanceof Refused ? problem.message : problem instanceof TypeError ? t("away") : problem.message;

/* Takes a secret out of the address (#name=HEX), so that it is in no history, bookmark or screenshot. */
function takeFromAddress(name) {
  const found = location.hash.match(new RegExp(`^#${name}=([0-9A-Za-z_-]{8,256})$`));
  if (found) history.replaceState(null, "", location.pathname + location.search);
  return found ? found[1] : null;
}
