import fc from "fast-check";
import { expect, test } from "vitest";
import { capturedHeaders, captureValue, decodePayload } from "../../src/trace/payload.ts";
import { createRedactor } from "../../src/trace/redact.ts";

const redactor = createRedactor({ keys: [], patterns: [] });
const base64 = (text: string) => Buffer.from(text).toString("base64");
const perByte = (text: string) => Buffer.from(text).toString("latin1");

test.each([
  ['{"a":1}', '{"a":1}'],
  ["1", "1"],
  ["1234", "1234"],
  ['"one"', '"one"'],
  ['"aGVsbG8="', '"aGVsbG8="'],
  [base64('{"a":"ü"}'), '{"a":"ü"}'],
  [base64("plain words"), "plain words"],
  [base64("some plain words").replaceAll("=", ""), "some plain words"],
  [Buffer.from('{"a":"???>>>"}').toString("base64url"), '{"a":"???>>>"}'],
  ["aGVsbG8=", "hello"],
  ["checkout", "checkout"],
  ["completed", "completed"],
  ["a plain text, not base64", "a plain text, not base64"],
  [Buffer.from([0xff, 0xfe, 0, 1]).toString("base64"), Buffer.from([0xff, 0xfe, 0, 1]).toString("base64")],
  [base64("tab\tand\r\nlines"), "tab\tand\r\nlines"],
  [base64("bell\u0007 and more text"), base64("bell\u0007 and more text")],
  [base64('{"a":"cut in the middle of ü').slice(0, -2), '{"a":"cut in the middle of '],
  [perByte('{"s":"“ü”"}'), '{"s":"“ü”"}'],
  [perByte("naïve 決済"), "naïve 決済"],
  ["naïve", "naïve"],
  ["決済 Ã¼", "決済 Ã¼"],
  ["", ""],
])("the log's %j reads %j", (raw, text) => expect(decodePayload(raw)).toBe(text));

test("a Call's result as the SDK writes it becomes the text that the server sent", () => {
  const out = JSON.stringify({ status: 200, body: perByte('{"u":"“ü”"}'), header: {} });
  expect(JSON.parse(decodePayload(out)).body).toBe('{"u":"“ü”"}');
});

test("base64 and one character per byte are undone for every text of some length", () => {
  const words = fc.string({ unit: fc.constantFrom(..."abc äß決😀,.-"), minLength: 16, maxLength: 40 });
  fc.assert(
    fc.property(words, (text) => {
      expect(decodePayload(base64(JSON.stringify({ text })))).toBe(JSON.stringify({ text }));
      expect(decodePayload(perByte(`${text}ä`))).toBe(`${text}ä`);
    }),
  );
});

test("a payload is redacted first and cut after, and its size is that of the whole", () => {
  const raw = base64(JSON.stringify({ password: "hunter2-hunter2-hunter2", text: "üüüüüüüüüü" }));
  expect(captureValue(raw, redactor, 26)).toEqual({ value: '{"password":"REDACTED","te', size: 68 });
  expect(captureValue(raw, redactor, 1_000).value).toBe('{"password":"REDACTED","text":"üüüüüüüüüü"}');
  expect(captureValue("", redactor, 16)).toEqual({ value: "", size: 0 });
});

test("no secret survives a cut at any place", () => {
  fc.assert(
    fc.property(fc.nat(80), fc.nat(40), (bytes, before) => {
      const { value } = captureValue(`{"n":"${"x".repeat(before)}","token":"canary"}`, redactor, bytes);
      expect(value).not.toMatch(/can/);
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(bytes);
    }),
  );
});

test("only the listed headers are captured, in lower case, redacted", () => {
  const headers = { "Content-Type": ["application/json"], AUTHORIZATION: ["Bearer x"], "X-Long": ["äöü", "b"], Other: ["o"] };
  expect(capturedHeaders("request", headers, ["content-type", "Authorization", "x-long", "absent"], redactor)).toEqual({
    "http.request.header.content-type": ["application/json"],
    "http.request.header.authorization": ["REDACTED"],
    "http.request.header.x-long": ["äöü", "b"],
  });
  expect(capturedHeaders("response", headers, [], redactor)).toEqual({});
  expect(capturedHeaders("response", undefined, ["date"], redactor)).toEqual({});
});
