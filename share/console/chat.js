"use strict";
/* chat.js - a device without a record: the plain chat with its model, over OpenAI's endpoint. */
async function askChat(run, messages) {
  const instructions = $("system").value.trim();
  const body = {
    model: health.model,
    stream: true,
    stream_options: { include_usage: true },
    messages: [...(instructions ? [{ role: "system", content: instructions }] : []), ...messages],
  };
  if ($("temperature").value !== "") body.temperature = Number($("temperature").value);
  if ($("maximum").value !== "") body.max_tokens = Number($("maximum").value);
  const response = await fetch("v1/chat/completions", {
    method: "POST",
    signal: run.abort.signal,
    headers: { "Content-Type": "application/json", ...keyHeaders() },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    const refusal = await refusalOf(response);
    if (response.status === 401) loseSession();
    throw refusal;
  }
  run.facts.decision = response.headers.get("x-tandem-decision");
  for await (const event of events(response.body)) {
    if (event.end) {
      run.whole = true;
      return;
    }
    const { error, model, choices, tandem } = event.data;
    if (error) throw new Error(error.message);
    run.facts.model = model;
    if (choices[0]?.delta.content) run.add(choices[0].delta.content);
    if (choices[0]?.finish_reason === "length") run.facts.note = "length";
    if (tandem) run.cost(tandem.timings);
  }
}
