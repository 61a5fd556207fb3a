import fc from "fast-check";
import { expect, test } from "vitest";
import type { CallDetails } from "../../src/model/run.ts";
import { genAiAttributes } from "../../src/trace/gen-ai.ts";

const OPENAI = "https://api.openai.com/v1/chat/completions";
const ANTHROPIC = "https://api.anthropic.com/v1/messages";
const call = (url: string, request: unknown, response?: unknown, own: Partial<CallDetails> = {}): CallDetails => ({
  url,
  requestBody: JSON.stringify(request),
  ...(response === undefined ? {} : { responseBody: JSON.stringify(response) }),
  ...own,
});

const CHAT = {
  model: "gpt-4o-2024-08-06",
  choices: [{ finish_reason: "stop" }, { finish_reason: "length" }],
  usage: { prompt_tokens: 812, completion_tokens: 64 },
};
const CHAT_ATTRIBUTES = {
  "gen_ai.provider.name": "openai",
  "gen_ai.operation.name": "chat",
  "gen_ai.request.model": "gpt-4o",
  "gen_ai.response.model": "gpt-4o-2024-08-06",
  "gen_ai.usage.input_tokens": 812,
  "gen_ai.usage.output_tokens": 64,
  "gen_ai.response.finish_reasons": ["stop", "length"],
};

test("a chat completion of OpenAI's", () => {
  expect(genAiAttributes(call(OPENAI, { model: "gpt-4o", messages: [] }, CHAT), undefined, true)).toEqual(CHAT_ATTRIBUTES);
});

test.each<[string, unknown, string | undefined]>([
  ["status", { status: "completed" }, "completed"],
  ["reason of being incomplete", { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "max_output_tokens"],
  ["nothing", {}, undefined],
])("a response of OpenAI's ends by its %s", (_, own, reason) => {
  const response = { model: "gpt-4.1", usage: { input_tokens: 10, output_tokens: 0 }, ...(own as object) };
  expect(genAiAttributes(call("https://api.openai.com/v1/responses/", { model: "gpt-4.1" }, response), undefined, true)).toEqual({
    "gen_ai.provider.name": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.response.model": "gpt-4.1",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 0,
    ...(reason === undefined ? {} : { "gen_ai.response.finish_reasons": [reason] }),
  });
});

test("embeddings have input tokens only", () => {
  const response = { model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 } };
  expect(
    genAiAttributes(call("https://api.openai.com/v1/embeddings", { model: "text-embedding-3-small" }, response), undefined, true),
  ).toEqual({
    "gen_ai.provider.name": "openai",
    "gen_ai.operation.name": "embeddings",
    "gen_ai.request.model": "text-embedding-3-small",
    "gen_ai.response.model": "text-embedding-3-small",
    "gen_ai.usage.input_tokens": 8,
  });
});

test("Anthropic's cached tokens are input as well", () => {
  const usage = { input_tokens: 5, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 };
  const response = { type: "message", model: "claude-sonnet-4-5", stop_reason: "end_turn", usage };
  expect(genAiAttributes(call(ANTHROPIC, { model: "claude-sonnet-4-5" }, response), undefined, true)).toEqual({
    "gen_ai.provider.name": "anthropic",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 125,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.response.finish_reasons": ["end_turn"],
  });
});

const out = (body: unknown) => JSON.stringify({ status: 200, header: { "Content-Type": ["application/json"] }, body });
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("latin1");

test.each([
  [
    "its response body in base64",
    call(OPENAI, { model: "gpt-4o" }, undefined, { responseBody: Buffer.from(JSON.stringify(CHAT)).toString("base64") }),
    undefined,
  ],
  ["the step's result, where the body is missing", call(OPENAI, { model: "gpt-4o" }), out(JSON.stringify(CHAT))],
  ["the step's result, where the body is empty", call(OPENAI, { model: "gpt-4o" }, undefined, { responseBody: "" }), out(CHAT)],
  ["the step's result with one character per byte", call(OPENAI, { model: "gpt-4o" }), out(bytes({ ...CHAT, text: "“ü”" }))],
  ["the step's result with a body in base64", call(OPENAI, { model: "gpt-4o" }), out(Buffer.from(JSON.stringify(CHAT)).toString("base64"))],
  ["a result that is the body itself", call(OPENAI, { model: "gpt-4o" }), JSON.stringify(CHAT)],
])("a chat is read from %s", (_, details, result) => {
  expect(genAiAttributes(details, result, true)).toEqual(CHAT_ATTRIBUTES);
});

test.each([
  ["that was asked for", call(OPENAI, { model: "gpt-4o", stream: true }, CHAT)],
  [
    "that its type shows",
    call(OPENAI, { model: "gpt-4o" }, CHAT, { responseHeaders: { "content-type": ["text/event-stream; charset=utf-8"] } }),
  ],
  ["that its body shows", call(OPENAI, { model: "gpt-4o" }, undefined, { responseBody: 'data: {"choices":[]}\n\n' })],
])("a stream %s is noted, and not read", (_, details) => {
  expect(genAiAttributes(details, undefined, true)).toEqual({
    "gen_ai.provider.name": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.stream": true,
  });
});

test("a host of the user's speaks the API that the configuration names", () => {
  const hosts = {
    "llm.example.com": "openai",
    "localhost:11434": "openai",
    "claude.example.com": "anthropic",
    "api.openai.com": "anthropic",
  } as const;
  const provider = (url: string) => genAiAttributes(call(url, {}), undefined, { hosts })?.["gen_ai.provider.name"];
  expect(provider("https://llm.example.com:8443/v1/chat/completions")).toBe("openai");
  expect(provider("http://localhost:11434/v1/completions")).toBe("openai");
  expect(provider("http://localhost:11435/v1/completions")).toBeUndefined();
  expect(provider("https://claude.example.com/v1/messages")).toBe("anthropic");
  expect(provider("https://llm.example.com/v1/messages")).toBeUndefined();
  expect(provider("https://api.openai.com/v1/messages")).toBe("anthropic");
  expect(provider("https://api.anthropic.com/v1/messages")).toBe("anthropic");
});

test.each([
  ["another host", call("https://api.example.com/v1/chat/completions", {}), true],
  ["another path", call("https://api.openai.com/v1/files", {}), true],
  ["a host that is a property of every object", call("https://constructor/v1/messages", {}), true],
  ["no URL", {}, true],
  ["an unreadable URL", { url: "not a url" }, true],
  ["an LLM call while it is off", call(OPENAI, { model: "gpt-4o" }, CHAT), false],
])("%s is no LLM call", (_, details, config) => expect(genAiAttributes(details, undefined, config)).toBeUndefined());

test("what a server sends is not trusted to be what the API promises", () => {
  const bad = {
    model: 5,
    choices: [null, { finish_reason: 3 }, "x"],
    usage: { prompt_tokens: -1, completion_tokens: 1e300 },
    stop_reason: "",
  };
  const attributes = genAiAttributes(call(OPENAI, [1], bad), undefined, true);
  expect(attributes).toEqual({ "gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat" });
  const refused = { error: { message: "no", code: "invalid_api_key" } };
  expect(genAiAttributes(call(OPENAI, { model: "gpt-4o" }, refused), undefined, true)).toMatchObject({ "gen_ai.request.model": "gpt-4o" });
});

test("never throws, whatever the bodies hold", () => {
  const body = fc.oneof(fc.json(), fc.string(), fc.constant(undefined));
  fc.assert(
    fc.property(body, body, body, (requestBody, responseBody, result) => {
      const details = {
        url: OPENAI,
        ...(requestBody !== undefined && { requestBody }),
        ...(responseBody !== undefined && { responseBody }),
      };
      expect(genAiAttributes(details, result, true)).toMatchObject({ "gen_ai.provider.name": "openai" });
    }),
  );
});
