"use strict";
/* records.js - what the owner can look up: this phone and its features, consents to take back, receipts to erase. */
const VIEWS = ["talk", "device", "consents", "receipts"];
let view = "talk";

function showView(name) {
  const isNew = view !== name;
  view = name;
  for (const other of VIEWS) {
    const tab = $(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    $(`view-${other}`).hidden = other !== name;
  }
  $("footer").hidden = name !== "talk";
  fillView();
  if (!isNew) return;
  if (name === "talk") follow(true); // the views share one scroller: the talk is shown again at its end
  else $("scroll").scrollTop = 0;
}

function watchTabs() {
  for (const name of VIEWS) {
    $(`view-${name}`).setAttribute("role", "tabpanel");
    $(`tab-${name}`).onclick = () => showView(name);
  }
  $("tabs").onkeydown = e => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    showView(VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length]);
    $(`tab-${view}`).focus();
  };
}

const heading = (key, about) => [label("h2", "", key), label("p", "", about)];
const emptyLine = key => label("p", "empty", key);

function fillView() {
  if (view === "device") fillDevice();
  else if (view === "consents") fillOwners("consents", "v1/consents", fillConsents);
  else if (view === "receipts") fillOwners("receipts", "v1/receipts", fillReceipts);
}

/* Views of the owner only: asked for with the session; what went wrong is said in the view. */
async function fillOwners(name, path, fill) {
  const panel = $(`view-${name}`),
    head = heading(`${name}_title`, `${name}_about`);
  if (!session) {
    panel.replaceChildren(...head, emptyLine("need_owner"));
    return;
  }
  try {
    const data = await call(path, undefined, ownerHeaders());
    if (view === name) panel.replaceChildren(...head, ...fill(data));
  } catch (problem) {
    if (problem.status === 401) loseSession();
    panel.replaceChildren(
      ...head,
      make("p", "error", problem.status === 401 ? t("need_owner") : problemText(problem)),
    );
  }
}

/* A button whose work is a POST of the owner; the view is filled again after it. */
function ownerButton(key, path, body) {
  const node = button(t(key), "", async () => {
    node.disabled = true;
    try {
      await call(path, body, ownerHeaders());
    } catch (problem) {
      $(`view-${view}`).append(make("p", "error", problemText(problem)));
      return;
    }
    fillView();
    readDevice(); // what a consent opens or shuts is in the features
  });
  node.dataset.t = key;
  return node;
}

const whoLine = (id, feature) =>
  group(
    "span",
    "",
    make("b", "", partnerName(id)),
    " ",
    isEmulated(id) ? mark("emulated") : null,
    make("span", "soft", ` · ${t(`f_${feature}`)}`),
  );

function fillConsents(data) {
  if (!data.consents.length) return [emptyLine("consents_none")];
  const list = make("ul", "rows");
  for (const c of data.consents) {
    list.append(
      group(
        "li",
        "",
        group(
          "div",
          "",
          whoLine(c.partner, c.feature),
          make(
            "p",
            "",
            [t(`mode_${c.mode}`), c.since ? t("since", day(c.since)) : "", said(c.model)].filter(Boolean).join(" · "),
          ),
        ),
        ownerButton("revoke", "v1/consents", { partner: c.partner, feature: c.feature, mode: "ask" }),
      ),
    );
  }
  return [list];
}

function fillReceipts(data) {
  if (!data.receipts.length) return [emptyLine("receipts_none")];
  const list = make("ul", "rows");
  for (const r of data.receipts) {
    const what = group(
      "div",
      "",
      whoLine(r.partner, r.feature),
      make("p", "", [`${day(r.at)} ${clock(r.at)}`, r.what, r.outcome].filter(Boolean).join(" · ")),
      make(
        "p",
        "",
        [
          t("sent_received", bytes(r.bytes_sent), bytes(r.bytes_received)),
          said(r.model),
          filingId(r.filing) && t("case_", filingId(r.filing)),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      make("p", "fine mono", `SHA-256 ${short(r.sha256_sent, 16)}… · ${t("decision")} ${short(r.decision)}`),
    );
    list.append(group("li", "", what, ownerButton("erase", "v1/receipts/erase", { id: r.id })));
  }
  return [ownerButton("erase_all", "v1/receipts/erase", { all: true }), list];
}

function fillDevice() {
  const d = device,
    panel = $("view-device");
  if (!d) return;
  const until = v => (moment(v) ? t("valid_until", day(v)) : "");
  const rows = factRows([
    ["sold", soldWhere(), " ", d.market?.demo ? mark("demo") : null],
    ["sku", [d.sku, d.device].filter(Boolean).join(" · ")],
    ["record", [t(d.record?.state ?? ""), until(d.record?.expires)].filter(Boolean).join(" · ")],
    ["profile", t(d.profile)],
    [
      "policy",
      d.policy
        ? [t("version", d.policy.version), t(`fresh_${d.policy.freshness}`), until(d.policy.expires)]
            .filter(Boolean)
            .join(" · ")
        : t("fresh_missing"),
    ],
    ["model", [said(d.model?.name), d.model?.sha256 && `${short(d.model.sha256, 12)}…`].filter(Boolean).join(" · ")],
    ["network", t(d.network === "off" ? "network_off" : "network_on")],
  ]);
  const list = make("ul", "rows");
  for (const [name, f] of Object.entries(features ?? {})) {
    const text = group("div", "", make("b", "", t(`f_${name}`)), make("span", "soft", ` · ${t(`state_${f.state}`)}`));
    if (f.partner)
      text.append(
        group(
          "p",
          "",
          t("with_partner", partnerName(f.partner.id, f.partner)),
          " ",
          f.partner.emulated ? mark("emulated") : null,
        ),
      );
    if (f.reason && f.reason !== "NONE") text.append(make("p", "", sentence(f)));
    list.append(group("li", "", make("i", `dot ${f.state}`), text));
  }
  panel.replaceChildren(
    ...heading("device_title", "device_about"),
    rows,
    label("h2", "features-head", "features_title"),
    list,
  );
}
