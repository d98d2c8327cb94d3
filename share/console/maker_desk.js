"use strict";
/* maker_desk.js - the maker's desk: who stands behind a feature in a market, kill switches, the share of devices, the
   stand-ins' faults. Each change is a new signed version of that market's rules, handed to the phones sold there. */
const FAULTS = "none down slow cut html rate quota filter territory hang split_utf8 giant_event server".split(" ");
let makerMarket = "";
let makerFeature = "assistant";

async function changeRules(change) {
  const body = { market: makerMarket, feature: makerFeature, ...change };
  try {
    const { bundle_version: version } = await desk("desk/policy", body);
    const bundle = await desk(`desk/bundle?market=${encodeURIComponent(makerMarket)}`);
    await readState();
    await hand(
      makerMarket,
      `${t(`change_${change.change}`)} (${t("version", version)})`,
      { do: "policy", bundle },
      $("desk-maker"),
    );
  } catch (problem) {
    showNews(problemText(problem), true);
    await readState();
  }
}

function killSwitch(isKilled, target, name) {
  const node = button("", "toggle", () => changeRules({ ...target, change: isKilled ? "unkill" : "kill" }));
  node.setAttribute("role", "switch");
  node.setAttribute("aria-checked", String(!isKilled));
  node.setAttribute("aria-label", `${name}: ${t("alive")}`);
  node.append(make("span", "", t(isKilled ? "killed" : "alive")), make("i", "knob"));
  return node;
}

function canary(backend, name) {
  const input = make("input"),
    output = make("output", "", `${backend.canary_bp / 100}%`);
  Object.assign(input, { type: "range", min: 0, max: 100, step: 1, value: backend.canary_bp / 100 });
  input.setAttribute("aria-label", `${t("canary")}: ${name}`);
  input.title = t("canary");
  input.oninput = () => {
    output.textContent = `${input.value}%`;
  };
  input.onchange = () =>
    changeRules({ partner: backend.partner, change: "canary", canary_bp: Math.round(input.value * 100) });
  return group("div", "canary", label("span", "", "canary"), input, output);
}

function backendRow(backend) {
  const isOwn = backend.partner === "own";
  const name = isOwn ? t("own") : nameOfPartner(backend.partner);
  const row = group(
    "li",
    "",
    group("div", "", make("b", "", name), make("p", "", `${backend.model_name ?? backend.model} · ${t(`role_${backend.role}`)}`)),
  );
  if (!isOwn)
    row.append(canary(backend, name), killSwitch(backend.killed, { partner: backend.partner }, name));
  return row;
}

function swapLine(market, cell) {
  const inUse = cell.backends.map(b => b.partner),
    others = market.partners.filter(p => !inUse.includes(p.id));
  if (!others.length) return null;
  const pick = make("select");
  pick.setAttribute("aria-label", t("swap"));
  pick.append(...others.map(p => new Option(said(p.name), p.id)));
  return group(
    "div",
    "maker-line",
    label("span", "", "swap"),
    pick,
    button(t("swap_button"), "swap", () => changeRules({ partner: pick.value, change: "swap" })),
  );
}

function picker(key, value, options, changed) {
  const pick = make("select");
  pick.append(...options.map(([id, name]) => new Option(name, id)));
  pick.value = value;
  pick.onchange = () => changed(pick.value);
  return group("label", "", label("span", "", key), pick);
}

function faultList() {
  const list = make("ul");
  for (const e of stageState.emulators ?? []) {
    const pick = make("select"),
      known = FAULTS.includes(e.fault) ? FAULTS : [...FAULTS, e.fault];
    pick.setAttribute("aria-label", `${t("faults")}: ${nameOfPartner(e.partner)}`);
    pick.append(...known.map(f => new Option(t(`fault_${f}`), f)));
    pick.value = e.fault;
    pick.onchange = async () => {
      try {
        await desk("desk/emulator", { partner: e.partner, fault: pick.value });
      } catch (problem) {
        showNews(problemText(problem), true);
      }
    };
    list.append(group("li", "", group("span", "", nameOfPartner(e.partner), " ", mark("emulated")), pick));
  }
  return list.children.length ? group("details", "faults", label("summary", "", "faults"), list) : null;
}

function showMaker() {
  const panel = $("desk-maker"),
    markets = stageState?.markets ?? [];
  if (panel.contains(document.activeElement) && document.activeElement.matches("select, input")) return; // in use
  makerMarket ||= marketOf(places[0].soldIn)?.id ?? markets[0]?.id ?? "";
  const market = markets.find(m => m.id === makerMarket);
  if (!market) {
    panel.replaceChildren();
    return;
  }
  const names = Object.keys(market.features);
  if (!names.includes(makerFeature)) makerFeature = names[0] ?? "";
  const cell = market.features[makerFeature],
    wasOpen = panel.querySelector(".faults")?.open;
  const parts = [
    group(
      "div",
      "picks",
      picker(
        "market",
        makerMarket,
        markets.map(m => [m.id, said(m.name)]),
        id => {
          makerMarket = id;
          document.activeElement.blur();
          showMaker();
        },
      ),
      picker(
        "feature",
        makerFeature,
        names.map(f => [f, t(`f_${f}`)]),
        f => {
          makerFeature = f;
          document.activeElement.blur();
          showMaker();
        },
      ),
    ),
  ];
  if (cell) {
    const list = group("ul", "backends", ...cell.backends.map(backendRow));
    list.append(
      group("li", "", label("b", "", "kill_feature"), make("span"), killSwitch(cell.killed, {}, t("kill_feature"))),
    );
    parts.push(list, swapLine(market, cell));
  }
  const faults = faultList();
  if (faults) faults.open = Boolean(wasOpen);
  parts.push(faults);
  panel.replaceChildren(...parts.filter(Boolean));
}
