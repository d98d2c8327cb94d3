"use strict";
/* case_desk.js - the case between the phones, and the regulator's desk. The case shown is what the desk computed from
   its signed entries; what a desk does adds one more entry, and only a phone's own verification makes it count. */
const STEPS = ["draft", "submitted", "under_review", "approved"];
const ENDS = ["refused", "withdrawn", "expired"];
const ACTION_STATE = {
  new: "draft",
  submit: "submitted",
  review: "under_review",
  approve: "approved",
  refuse: "refused",
  withdraw: "withdrawn",
};
let shownCase = "";

/* The one that was chosen; else a case of the phones that stand here, of the device's own model, not ended, newest. */
function currentCase() {
  const cases = stageState?.cases ?? [];
  const here = places.map(p => marketOf(p.soldIn)?.id);
  const isOwn = c => c.models.some(m => !m.partner);
  const rank = c => (here.includes(c.market) ? 4 : 0) + (isOwn(c) ? 2 : 0) + (ENDS.includes(c.state) ? 0 : 1);
  const best = cases.reduce((a, b) => (a && rank(a) > rank(b) ? a : b), null);
  return cases.find(c => c.id === shownCase) ?? best;
}

/* When each state began, by the case's history. */
function datesOf(c) {
  const dates = {};
  for (const entry of c.history ?? []) {
    const state = ACTION_STATE[entry.action];
    if (state) dates[state] = entry.at; // both filers submit: the later one makes the case submitted
  }
  dates[c.state] ??= c.since;
  return dates;
}

function timeline(c) {
  const dates = datesOf(c),
    isEnded = ENDS.includes(c.state);
  const steps = [...STEPS.filter(s => !isEnded || dates[s]), ...(isEnded ? [c.state] : [])];
  const list = make("ol", "timeline");
  steps.forEach((state, i) => {
    const isPast = dates[state] !== undefined && (isEnded || i <= STEPS.indexOf(c.state)),
      isPresent = state === c.state;
    const item = make(
      "li",
      [isPast && "past", isPresent && "present", ENDS.includes(state) && "bad", isPast && !isPresent && "joined"]
        .filter(Boolean)
        .join(" "),
      t(state),
    );
    if (isPresent) item.setAttribute("aria-current", "step");
    if (isPast) {
      const time = make("time", "", day(dates[state]));
      time.dateTime = String(dates[state]);
      item.append(time);
    }
    list.append(item);
  });
  return list;
}

function filerCard(c, role) {
  const section = c.sections?.[role],
    name = said(section?.signer?.name) || c.filers?.[role] || "";
  const card = group(
    "div",
    "",
    make("h3", "", t(role)),
    make("b", "", name),
    make("p", "soft", section ? t("filed", day(section.submitted)) : t("not_filed")),
  );
  if (section?.documents?.length) {
    const list = make("ul");
    for (const d of section.documents) {
      const item = make("li", "", d.name);
      item.title = `SHA-256 ${d.sha256}`;
      list.append(item);
    }
    card.append(list);
  }
  return card;
}

function questionList(c) {
  const list = make("ul", "questions");
  for (const q of c.questions ?? []) {
    const item = group("li", "", make("p", "who", t("question", day(q.at))), make("p", "", q.text));
    if (q.answer) item.append(make("p", "who", t("answer", day(q.answer.at))), make("p", "", q.answer.text));
    else item.append(make("p", "who open", t("unanswered")));
    list.append(item);
  }
  return list;
}

/* Several cases of a market differ in whose model they are for. */
function caseName(c) {
  const partners = c.models.filter(m => m.partner).map(m => nameOfPartner(m.partner));
  return [c.id, ...partners].join(" · ");
}

function showCase() {
  const c = currentCase(),
    over = group("p", "over", label("span", "", "case_over"));
  if (!c) {
    $("case").replaceChildren(over, label("p", "about", "no_case"));
    return;
  }
  const cases = stageState.cases;
  if (cases.length > 1) {
    const pick = make("select");
    pick.setAttribute("aria-label", t("case_over"));
    pick.append(...cases.map(other => new Option(caseName(other), other.id)));
    pick.value = c.id;
    pick.onchange = () => {
      shownCase = pick.value;
      showDesks();
    };
    over.append(pick);
  } else {
    over.append(make("span", "mono", c.id));
  }
  if (c.demo) over.append(mark("demo"));
  const title = group("h2", "", make("span", "", t(c.state)), c.hypothetical ? mark("hypothetical") : null);
  title.id = "case-title";
  const names = c.features.map(f => t(`f_${f}`)).join(lang === "zh" ? "、" : ", ");
  const models = c.models
    .map(m => (m.partner ? `${nameOfPartner(m.partner)} ${m.model}` : `${t("own")} ${m.model}`))
    .join(" + ");
  const parts = [
    over,
    title,
    make(
      "p",
      "about",
      t("case_about", names, said(stageState.markets.find(m => m.id === c.market)?.name) || c.market),
    ),
    timeline(c),
    group("div", "filers", filerCard(c, "maker"), filerCard(c, "provider")),
    make("p", "covers", t("covers") + t("colon") + models),
  ];
  if (c.questions?.length) parts.push(questionList(c));
  if (c.verdict?.conditions?.length)
    parts.push(make("p", "covers", t("conditions") + t("colon") + c.verdict.conditions.join("; ")));
  $("case").replaceChildren(...parts);
}

function nameOfPartner(id) {
  for (const m of stageState?.markets ?? []) {
    const found = m.partners?.find(p => p.id === id);
    if (found) return said(found.name);
  }
  return id;
}

/* ---- the regulator's desk ---- */

/* What each state lets be done: [word, the entries to sign in turn, kind of button]. */
const REGULATOR_ACTS = {
  submitted: [
    ["approve", ["review", "approve"], "main"],
    ["review", ["review"], ""],
    ["refuse", ["review", "refuse"], ""],
  ],
  under_review: [
    ["approve", ["approve"], "main"],
    ["ask_filer", ["ask"], ""],
    ["refuse", ["refuse"], ""],
  ],
  approved: [["withdraw", ["withdraw"], ""]],
};
const FILER_ACTS = {
  draft: [["withdraw_case", ["withdraw"], ""]],
  submitted: [["withdraw_case", ["withdraw"], ""]],
  under_review: [["withdraw_case", ["withdraw"], ""]],
  refused: [["file_anew", ["again"], ""]],
  withdrawn: [["file_anew", ["again"], ""]],
  expired: [["file_anew", ["again"], ""]],
};
const NEED_WORDS = ["ask", "answer"];

async function act(c, word, actions, words) {
  const text = words.value.trim();
  if (!text && NEED_WORDS.includes(actions.at(-1))) {
    showNews(t("need_words"), true);
    words.focus();
    return;
  }
  try {
    let whole;
    for (const action of actions) {
      whole = await desk(
        `desk/filings/${encodeURIComponent(c.id)}`,
        text && action === actions.at(-1) ? { action, text } : { action },
      );
    }
    words.value = "";
    shownCase = actions.includes("again") ? "" : c.id;
    await readState();
    await hand(c.market, t(word), { do: "filing", case: whole.case ?? whole }, $("case"));
  } catch (problem) {
    showNews(problemText(problem), true);
    await readState();
  }
}

function showRegulator() {
  const c = currentCase(),
    panel = $("desk-regulator");
  const note = group("p", "hypothetical", mark("hypothetical"), label("span", "", "hypothetical_note"));
  if (!c) {
    panel.replaceChildren(note);
    return;
  }
  const kept = panel.querySelector(".words input"),
    words = kept ?? make("input");
  words.maxLength = 2000;
  const open = c.questions?.some(q => !q.answer);
  const mine = REGULATOR_ACTS[c.state] ?? [];
  const theirs = [
    ...(open && c.state === "under_review" ? [["answer_it", ["answer"], ""]] : []),
    ...(FILER_ACTS[c.state] ?? []),
  ];
  const buttons = acts =>
    group(
      "div",
      "acts",
      ...acts.map(([word, actions, kind]) => {
        const node = button(t(word), kind, () => act(c, word, actions, words));
        node.dataset.act = word;
        return node;
      }),
    );
  if (!kept) {
    panel.replaceChildren(note, group("label", "words", label("span", "", "words"), words), make("div", "acts-here"));
  }
  panel.querySelector(".hypothetical").replaceWith(note);
  panel
    .querySelector(".acts-here")
    .replaceChildren(
      ...(mine.length ? [buttons(mine)] : [label("p", "soft small", "closed")]),
      ...(theirs.length ? [group("div", "maker-line", label("span", "", "filers_part"), buttons(theirs))] : []),
    );
}
