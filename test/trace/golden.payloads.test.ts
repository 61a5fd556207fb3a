import { expect, test } from "vitest";
import type { CallDetails, Step } from "../../src/model/run.ts";
import { aRun, at, group, initial, settingsWith, step } from "../support/run-builder.ts";
import { exported, golden, page, story } from "../support/story.ts";
import { told } from "../support/told-trace.ts";

/** What of requests, answers and outputs comes into a trace. */

/** A Call's result as the SDK writes it: the body as text with one character per byte. */
const oneCharPerByte = (text: string) => Buffer.from(text).toString("latin1");
const llm = (
  name: string,
  url: string,
  request: object,
  response: object | undefined,
  over: Partial<CallDetails> = {},
  out?: string,
): Step => {
  const call = { url, method: "POST", requestBody: JSON.stringify(request), responseStatus: 200, ...over };
  return step("Call", name, 100, {
    call: { ...call, ...(response && { responseBody: JSON.stringify(response) }) },
    ...(out !== undefined && { out }),
  });
};

test("LLM calls: who was asked for what, tokens and finish reasons, and not a word of what was said", async () => {
  const openai = "https://api.openai.com/v1";
  const question = { model: "gpt-4o-mini", messages: [{ role: "user", content: "SAID" }] };
  const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
  const choices = [{ finish_reason: "stop", message: { content: "SAID ü" } }];
  const answer = { model: "gpt-4o-mini-2024-07-18", choices, usage };
  const wrapped = JSON.stringify({ status: 200, header: {}, body: oneCharPerByte(JSON.stringify(answer)) });
  const steps = [
    llm("chat", `${openai}/chat/completions`, question, answer),
    llm("chat, its answer only in out, one character per byte", `${openai}/chat/completions`, question, undefined, {}, wrapped),
    llm(
      "responses",
      `${openai}/responses`,
      { model: "gpt-4.1", input: "SAID" },
      { model: "gpt-4.1-2025-04-14", status: "completed", usage: { input_tokens: 5, output_tokens: 6 }, output: ["SAID"] },
    ),
    llm(
      "embeddings",
      `${openai}/embeddings`,
      { model: "text-embedding-3-small", input: "SAID" },
      { model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 }, data: [] },
    ),
    llm(
      "anthropic, with cached tokens",
      "https://api.anthropic.com/v1/messages",
      { model: "claude-sonnet-4-5", messages: question.messages },
      {
        model: "claude-sonnet-4-5-20250929",
        stop_reason: "end_turn",
        usage: { input_tokens: 3, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 },
      },
    ),
    llm(
      "a compatible host",
      "https://llm.example.com/v1/chat/completions",
      { ...question, model: "llama-3" },
      { ...answer, model: "llama-3-8b" },
    ),
    llm("streamed", `${openai}/chat/completions`, { ...question, stream: true }, undefined, { responseBody: 'data: {"choices":[]}\n\n' }),
    llm("refused", `${openai}/chat/completions`, question, { error: { message: "SAID" } }, { responseStatus: 429 }),
    llm("no LLM's host", "https://api.example.com/v1/chat/completions", question, answer),
    llm("another path", `${openai}/files`, question, answer),
  ];
  const run = aRun(
    2_000,
    steps.map((one, i) => group({ ...one, id: i + 1, createdAt: at(100 * (i + 1)) })),
  );
  const settings = settingsWith({ gen_ai: { hosts: { "llm.example.com": "openai" } } });
  const [, ...calls] = exported([run], settings)[0]!.spans;
  const text = told([{ resource: {}, spans: calls }], { runs: [run], attributes: /gen_ai|body|output$|http\.response|error\.type/ });
  expect(text).not.toContain("SAID");
  await expect(text).toMatchFileSnapshot(golden("llm calls"));
});

test("captured payloads: redacted as JSON, base64 of JSON, forms and text; REDACTED: passes; long ones are cut", async () => {
  const secret = { user: "ada", password: "hunter2", nested: [{ api_key: "k-123", max_tokens: 5 }], note: "Bearer abcdefghijklmnop" };
  const json = JSON.stringify(secret);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const hash = `REDACTED:${"ab".repeat(32)}`;
  const outs: Record<string, string> = {
    JSON: json,
    "base64 of JSON": base64(json),
    "JSON in a string of JSON": JSON.stringify({ body: json }),
    "a form": "grant_type=password&username=ada&password=hunter2&client_secret=s3",
    "plain text": "the token=abc123 was sent with Authorization: Bearer abcdefghijklmnop, to https://ada:hunter2@example.com/?sig=1&x=2",
    "removed by Upstash": hash,
    "JSON with what Upstash removed": JSON.stringify({ token: hash, x: hash }),
    "the user's own key and pattern": '{"iban":"DE02120300000000202051","customer":"cust_12345678"}',
    "too long": "ä".repeat(100),
  };
  const steps = Object.entries(outs).map(([name, out], i) => group(step("Run", name, 100 * (i + 1), { id: i + 1, out })));
  const call: CallDetails = {
    url: "https://ada:hunter2@api.example.com/pay?token=abc&x=1",
    method: "POST",
    requestHeaders: { "X-Trace": ["7"], Authorization: ["Bearer abcdefghijklmnop"], "X-Other": ["not listed"] },
    requestBody: json,
    responseStatus: 200,
    responseHeaders: { "Content-Type": ["application/json"] },
    responseBody: "password=hunter2&ok=1",
  };
  const run = aRun(2_000, [], {
    response: json,
    groups: [group(initial({ out: json })), ...steps, group(step("Call", "pay", 1_900, { id: 20, call, out: json }))],
  });
  const capture = { outputs: true, call_bodies: true, run_request: true, run_response: true, max_bytes: 150 };
  const headers = { request_headers: ["x-trace", "AUTHORIZATION"], response_headers: ["content-type"] };
  const redact = { keys: ["iban"], patterns: ["cust_[0-9]{8}"] };
  const shown = { attributes: /body|output|header|url\.full/ };
  const text = story([run], settingsWith({ capture: { ...capture, ...headers }, redact }), shown);
  for (const leak of ["hunter2", "k-123", "abcdefghijklmnop", "DE0212", "cust_1", base64(json)]) expect(text).not.toContain(leak);
  const nothing = story([run], settingsWith(), shown);
  await expect(
    page([
      ["captured", text],
      ["by default", nothing],
    ]),
  ).toMatchFileSnapshot(golden("captured payloads"));
});
