import fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor } from "../../src/trace/redact.ts";

const redactor = createRedactor({ keys: [], patterns: [] });
const base64 = (text: string) => Buffer.from(text).toString("base64");
const HASHED = `REDACTED:${"0a".repeat(32)}`;

test.each([
  ["https://user:pw@host/x", "https://REDACTED:REDACTED@host/x"],
  ["https://user@host/x", "https://REDACTED@host/x"],
  ["https://@host/x", "https://@host/x"],
  ["postgres://:pw@host/db", "postgres://REDACTED:REDACTED@host/db"],
  ["https://user:p@ss@host/x", "https://REDACTED:REDACTED@host/x"],
  ["https://user:pa/ss@host/x", "https://REDACTED:REDACTED@host/x"],
  ["https://user:p?s#s@host/x", "https://REDACTED:REDACTED@host/x"],
  ["https:/user:pw@host/x", "https://REDACTED:REDACTED@host/x"],
  ["https:/user@host/x", "https://REDACTED@host/x"],
  ["//user:pw@host/x", "//REDACTED:REDACTED@host/x"],
  ["https://archive.org/web/https://user:pw@host/", "https://archive.org/web/https://REDACTED:REDACTED@host/"],
  ["https://host/@scope/package", "https://host/@scope/package"],
  ["https://host:8080/a@b", "https://host:8080/a@b"],
  ["https://[::1]:8080/a@b", "https://[::1]:8080/a@b"],
  ["mailto:someone@example.com", "mailto:someone@example.com"],
  ["https://host/x?token=a&page=2", "https://host/x?token=REDACTED&page=2"],
  ["https://host/x?page=2;key=a", "https://host/x?page=2;key=REDACTED"],
  ["https://host/x?tok%65n=a", "https://host/x?tok%65n=REDACTED"],
  ["https://host/a;token=b;v=1/c;key=d?page=2", "https://host/a;token=REDACTED;v=1/c;key=REDACTED?page=2"],
  ["https://host/a;v=1/b=c;d", "https://host/a;v=1/b=c;d"],
  ["https://host/x?user[password]=a", "https://host/x?user[password]=REDACTED"],
  ["https://host/x?token=", "https://host/x?token="],
  ["https://host/x?token", "https://host/x?token"],
  ["https://host/x#access_token=a&state=b", "https://host/x#access_token=REDACTED&state=b"],
  ["https://host/#/callback?code=a", "https://host/#/callback?code=REDACTED"],
  [
    "https://host/x?next=https%3A%2F%2Fu%3Ap%40h%2F%3Fkey%3Da",
    "https://host/x?next=https%3A%2F%2FREDACTED%3AREDACTED%40h%2F%3Fkey%3DREDACTED",
  ],
  ["https://host/x?next=https://u:p@h/", "https://host/x?next=https://REDACTED:REDACTED@h/"],
  ["https://host/x?q=50%&r=%E0%A4%A", "https://host/x?q=50%&r=%E0%A4%A"],
  ["/relative?token=a", "/relative?token=REDACTED"],
  ["no url ?token=a", "no url ?token=REDACTED"],
  ["https://host/bot/eyJhbGciOi.eyJzdWIiOi.c2ln/x", "https://host/bot/REDACTED/x"],
  [HASHED, HASHED],
  ["", ""],
])("the URL %s is exported as %s", (url, expected) => expect(redactor.url(url)).toBe(expected));

test.each(
  (
    "token key api_key access_token secret password sig signature code X-Amz-Signature X-Amz-Credential X-Amz-Security-Token AWSAccessKeyId " +
    "X-Goog-Signature qstash_token TOKEN apiKey Api-Key client_secret refreshToken"
  ).split(" "),
)("the query key %s has a secret for its value", (key) => {
  expect(redactor.url(`https://host/x?a=1&${key}=hidden&b=2`)).toBe(`https://host/x?a=1&${key}=REDACTED&b=2`);
});

test.each(["tokens", "max_tokens", "keyword", "codec", "author", "signal", "page", "monkey", "X-Am"])("the query key %s has not", (key) => {
  expect(redactor.url(`https://host/x?${key}=shown`)).toBe(`https://host/x?${key}=shown`);
});

test.each(
  (
    "authorization Proxy-Authorization cookie Set-Cookie X-API-Key api-key x-honeycomb-team Upstash-Token upstash-forward-authorization " +
    "Upstash-Failure-Callback-Forward-Cookie X-Session-Token X-My-Secret-Thing"
  ).split(" "),
)("the header %s is a secret", (name) => {
  expect(redactor.headers({ [name]: ["one", "two", ""] })).toEqual({ [name]: ["REDACTED", "REDACTED", ""] });
});

test("other headers keep their values, but for what is a secret by itself", () => {
  const headers = {
    Date: ["today"],
    "Idempotency-Key": ["k"],
    Location: ["https://u:p@h/?token=a"],
    Link: ["Bearer abcdefgh1"],
    Empty: [],
  };
  expect(redactor.headers(headers)).toEqual({
    ...headers,
    Location: ["https://REDACTED:REDACTED@h/?token=REDACTED"],
    Link: ["Bearer REDACTED"],
  });
  expect(redactor.headers(JSON.parse('{"__proto__":["x"]}'))).toEqual(JSON.parse('{"__proto__":["x"]}'));
});

test("what the API has hidden already passes through everywhere", () => {
  expect(redactor.headers({ Authorization: [HASHED], "X-Other": [HASHED] })).toEqual({ Authorization: [HASHED], "X-Other": [HASHED] });
  for (const text of [HASHED, `{"token":"${HASHED}","a":"${HASHED}"}`, `token=${HASHED}`, `https://h/?token=${HASHED}`]) {
    expect([redactor.text(text), redactor.payload(text), redactor.url(text)]).toEqual([text, text, text]);
  }
});

test.each([
  ["plain words stay: error code: 500, key: 12", "plain words stay: error code: 500, key: 12"],
  ["exit code=1", "exit code=1"],
  ["used max_tokens: 5 of 10", "used max_tokens: 5 of 10"],
  ["password: null", "password: null"],
  ["password=", "password="],
  ["failed https://u:p@h/?token=abc, retrying", "failed https://REDACTED:REDACTED@h/?token=REDACTED retrying"],
  ["two https://a:b@c and amqp://d:e@f", "two https://REDACTED:REDACTED@c and amqp://REDACTED:REDACTED@f"],
  ["password=hunter2, user=bob", "password=REDACTED, user=bob"],
  ["password=hun,ter;2; user=bob", "password=REDACTED; user=bob"],
  ["bad api_key: abc", "bad api_key: REDACTED"],
  ["config.db.password = 'a b'", "config.db.password = 'REDACTED'"],
  ['config \'password\': "a\\"b" rest', "config 'password': \"REDACTED\" rest"],
  ['got {"token":"a\\"b","n":1}', 'got {"token":"REDACTED","n":1}'],
  ['got {"token":{"v":"a"},"n":1}', 'got {"token":"REDACTED","n":1}'],
  ['got {\\"token\\":\\"ab\\",\\"n\\":1}', 'got {\\"token\\":\\"REDACTED\\",\\"n\\":1}'],
  ['cut {\\"token\\":\\"ab', 'cut {\\"token\\":\\"REDACTED'],
  ['cut {"token":"ab', 'cut {"token":"REDACTED'],
  ['quote at the end token="', 'quote at the end token="'],
  ["Authorization: Basic dXNlcjpwYXNz\nnext", "Authorization: REDACTED\nnext"],
  ["curl -H 'Cookie: a=b; c=d' https://h", "curl -H 'Cookie: REDACTED' https://h"],
  ['{"cookie":"a=b; c=d","n":1}', '{"cookie":"REDACTED","n":1}'],
  ["code=abc&x=1", "code=REDACTED&x=1"],
  ["GET /cb?code=abc", "GET /cb?code=REDACTED"],
  ["Bearer abcdefgh", "Bearer REDACTED"],
  ["bearer ab12", "bearer REDACTED"],
  ["the bearer of news", "the bearer of news"],
  ["Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"],
  ["Basic dXNlcjpwYXNzMQ==", "Basic REDACTED"],
  ["Basic authentication", "Basic authentication"],
  ["jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln.", "jwt REDACTED"],
  [`token of QStash ${btoa('{"UserID":"defaultUser","Password":"defaultPassword"}')}!`, "token of QStash REDACTED!"],
  ["key AKIAIOSFODNN7EXAMPLE!", "key REDACTED!"],
  ["ASIAIOSFODNN7EXAMPLE", "REDACTED"],
  ["AKIAIOSFODNN7EXAMPLES", "AKIAIOSFODNN7EXAMPLES"],
  ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "REDACTED"],
  ["github_pat_11ABCDEFG0abcdefghijkl_mnop", "REDACTED"],
  ["sk_live_4eC39HqLyjWDarjtT1zdp7dc", "REDACTED"],
  ["rk_test_4eC39HqLyjWDarjtT1zdp7dc", "REDACTED"],
  ["whsec_4eC39HqLyjWDarjtT1zdp7dc", "REDACTED"],
  ["sk-proj-4eC39HqLyjWDarjtT1zdp7dc", "REDACTED"],
  ["xoxb-1234567890-abcdef", "REDACTED"],
])("the text %j becomes %j", (text, expected) => expect(redactor.text(text)).toBe(expected));

test.each([
  ['{"a":1.0,"token":"x","token":null}', '{"a":1.0,"token":"REDACTED","token":null}'],
  ['{ "id": 12345678901234567890, "key": "v" }', '{ "id": 12345678901234567890, "key": "REDACTED" }'],
  ['{"code":5,"secret":true}', '{"code":"REDACTED","secret":true}'],
  ['{"secret":{"a":["x",{"b":"}"}]},"c":[1]}', '{"secret":"REDACTED","c":[1]}'],
  ['{"secret":["x"', '{"secret":"REDACTED"'],
  ['{"pass\\u0077ord":"x"}', '{"pass\\u0077ord":"REDACTED"}'],
  ['{"password"   :   "x"}', '{"password"   :   "REDACTED"}'],
  ['{"password":"","a":""}', '{"password":"","a":""}'],
  ['{"list":["Bearer abcdefgh1","b"]}', '{"list":["Bearer REDACTED","b"]}'],
  ['{"Bearer abcdefgh1":1}', '{"Bearer REDACTED":1}'],
  [
    '{"header":{"X-Session-Token":["a"],"Date":["d"],"max_tokens":"5"}}',
    '{"header":{"X-Session-Token":"REDACTED","Date":["d"],"max_tokens":"REDACTED"}}',
  ],
  ['{"requestHeaders":[{"X-My-Secret-Thing":"a"}]}', '{"requestHeaders":[{"X-My-Secret-Thing":"REDACTED"}]}'],
  [
    '{"headers":{"X-Amz-Signature":"a","password":"b","Date":"d"}}',
    '{"headers":{"X-Amz-Signature":"REDACTED","password":"REDACTED","Date":"d"}}',
  ],
  ['{"usage":{"max_tokens":5}}', '{"usage":{"max_tokens":5}}'],
  ['{"body":"{\\"token\\":\\"x\\"}"}', '{"body":"{\\"token\\":\\"REDACTED\\"}"}'],
  [`{"body":"${base64('{"token":"x"}')}"}`, `{"body":"${base64('{"token":"REDACTED"}')}"}`],
  [base64('{"token":"x"}'), base64('{"token":"REDACTED"}')],
  [base64("user=bob&password=x"), base64("user=bob&password=REDACTED")],
  [base64('{"harmless":"x"}'), base64('{"harmless":"x"}')],
  ['"token=x y"', '"token=REDACTED y"'],
  ['{"a":"cut token=x', '{"a":"cut token=REDACTED'],
  ['{"a":"cut token=x\\', '{"a":"cut token=REDACTED'],
  ['{"a":"cut token=x\\u00', '{"a":"cut token=REDACTED'],
  ['{"a":"raw\nline token=x"}', '{"a":"raw\nline token=REDACTED"}'.replace("\n", "\\n")],
  ['{"a":"bad \\q token=x"}', '{"a":"bad \\\\q token=REDACTED"}'],
  ['{"ssn":1}\n{"token":2}\n', '{"ssn":1}\n{"token":"REDACTED"}\n'],
  ["[error] token=abc password=x", "[error] token=REDACTED password=REDACTED"],
  ["{token: 'a b', n: 1}", "{token: 'REDACTED', n: 1}"],
  ["a=1&password=x%20y&code=z", "a=1&password=REDACTED&code=REDACTED"],
  ["next=https%3A%2F%2Fh%2F%3Ftoken%3Dx&a=1%202", "next=https%3A%2F%2Fh%2F%3Ftoken%3DREDACTED&a=1%202"],
  [`data=${encodeURIComponent('{"token":"x","n":1}')}`, `data=${encodeURIComponent('{"token":"REDACTED","n":1}')}`],
  ["a=50%&b=%E0%A4%A&c=d", "a=50%&b=%E0%A4%A&c=d"],
  ["plain code: 5", "plain code: REDACTED"],
  ['data: {"token":"x"}\n\n', 'data: {"token":"REDACTED"}\n\n'],
  ['{"url":"https://u:p@h/?key=1"}', '{"url":"https://REDACTED:REDACTED@h/?key=REDACTED"}'],
  ["", ""],
])("the payload %j becomes %j", (payload, expected) => expect(redactor.payload(payload)).toBe(expected));

test("the user's keys count everywhere, with or without dashes, and with * for anything", () => {
  const own = createRedactor({ keys: ["session-id", "x-acme-*"], patterns: [] });
  expect(own.url("https://h/?sessionId=1&session_id=2&session=3")).toBe("https://h/?sessionId=REDACTED&session_id=REDACTED&session=3");
  expect(own.headers({ "X-Acme-User": ["u"], "Session-Id": ["s"], "X-Acm": ["a"] })).toEqual({
    "X-Acme-User": ["REDACTED"],
    "Session-Id": ["REDACTED"],
    "X-Acm": ["a"],
  });
  expect(own.payload('{"x-acme-user":"u","SESSIONID":1,"x":2}')).toBe('{"x-acme-user":"REDACTED","SESSIONID":"REDACTED","x":2}');
});

test("the user's patterns count everywhere, numbers included", () => {
  const own = createRedactor({ keys: [], patterns: ["\\b\\d{16}\\b", "cust-[a-z]{1,9}"] });
  expect(own.text("card 4111111111111111 of cust-bob")).toBe("card REDACTED of REDACTED");
  expect(own.url("https://h/cust-bob?x=4111111111111111")).toBe("https://h/REDACTED?x=REDACTED");
  expect(own.payload('{"card":4111111111111111,"n":41}')).toBe('{"card":"REDACTED","n":41}');
  expect(own.payload(base64('{"who":"cust-bob"}'))).toBe(base64('{"who":"REDACTED"}'));
  expect(own.headers({ From: ["cust-bob"] })).toEqual({ From: ["REDACTED"] });
});

test("a user's pattern leaves alone what is marked already", () => {
  const own = createRedactor({ keys: [], patterns: ["[A-Z]{4,}", "[\\da-f]{64}"] });
  expect(own.text(`see ${HASHED} and SECRET, REDACTED`)).toBe(`see ${HASHED} and REDACTED, REDACTED`);
});

test("where there are patterns, what is longer than they may read loses its end, even half a secret", () => {
  const own = createRedactor({ keys: [], patterns: ["\\d{16}"] });
  const text = `${"x".repeat(8_184)}4111111111111111`;
  expect(own.text(text)).toBe("x".repeat(8_192 - 512));
  expect(own.text(text.slice(0, 8_192))).toBe(text.slice(0, 8_192));
});

test("a megabyte and more is read up to a bound, and its end is left out", () => {
  const text = redactor.text(`${"word ".repeat(500_000)}token=canary`);
  expect(text.length).toBe(2 ** 21 - 4_096);
});

test("encodings inside each other deeper than anybody means go as a whole", () => {
  let payload = '{"canary":"abc"}';
  for (let i = 0; i < 5; i++) payload = base64(JSON.stringify({ a: payload }));
  expect(redactor.payload(payload)).not.toBe(payload);
  const url = (levels: number): string => (levels === 0 ? "https://h/?canary" : `https://h/?u=${encodeURIComponent(url(levels - 1))}`);
  expect(decodeURIComponent(redactor.url(url(3)))).toContain("canary");
  expect(redactor.url(url(12))).not.toContain("canary");
});

test("counts what it has taken out", () => {
  const own = createRedactor({ keys: [], patterns: [] });
  own.text("harmless");
  own.payload(`{"token":"${HASHED}"}`);
  expect(own.count()).toBe(0);
  own.headers({ Authorization: ["a"], Cookie: ["b", "c"] });
  own.url("https://u:p@h/?token=x");
  expect(own.count()).toBe(5);
});

test("a pattern that the configuration would refuse is a bug here", () => {
  expect(() => createRedactor({ keys: [], patterns: ["(a+)+"] })).toThrow("redact.patterns");
});

/** Somewhere in everything: a secret that no encoding changes, without a shape of its own. */
const canary = fc.string({ unit: fc.constantFrom(..."abcdefghjkmnpqrstuvwxyz"), minLength: 8, maxLength: 20 }).map((s) => `cnry${s}`);
const key = fc.constantFrom("token", "api_key", "accessToken", "secret", "PASSWORD", "sig", "qstash_token", "client_secret");
const noise = fc.string({ maxLength: 12 }).map((s) => s.replace(/["'\\&<>]/g, " "));
const json = (value: unknown) => JSON.stringify(value);

const PLACES: readonly ((key: string, canary: string, noise: string) => string)[] = [
  (k, c) => `https://host/x?a=1&${k}=${c}&b=2`,
  (_, c) => `https://user:${c}@host/x`,
  (_, c) => `see https://${c}@host/x now`,
  (k, c, n) => `${n} ${k}=${c} ${n}`,
  (k, c, n) => `${n} "${k}": "${c}" ${n}`,
  (_, c, n) => `${n} Bearer ${c}${c}`,
  (_, c, n) => `${n}\nAuthorization: Custom ${c}\n${n}`,
];
const BODIES: readonly ((key: string, canary: string, noise: string) => string)[] = [
  (k, c, n) => json({ n, [k]: c }),
  (k, c, n) => json([{ [n]: { [k]: { deep: [c] } } }]),
  (k, c, n) => json({ n, body: base64(json({ [k]: c })) }),
  (k, c, n) => base64(json({ n, [k]: c })),
  (k, c) => base64(`a=1&${k}=${c}`),
  (k, c, n) => json({ n, body: json({ inner: json({ [k]: c }) }) }),
  (_, c, n) => json({ headers: { "X-Any-Token": [c], n } }),
  (k, c, n) => json({ n, url: `https://h/?${k}=${c}` }),
  (k, c, n) => `${json({ n, [k]: c }).slice(0, -2)}`,
  (k, c) => `a=1&user%5B${k}%5D=${c}`,
];

/** The text and every base64 text in it. */
function revealed(text: string): string {
  const parts = text.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? [];
  return [text, ...parts.map((part) => Buffer.from(part, "base64").toString())].join("\n");
}

test("no secret survives in a URL or a text", () => {
  fc.assert(
    fc.property(fc.constantFrom(...PLACES), key, canary, noise, (place, k, secret, n) => {
      const text = place(k, secret, n);
      for (const out of [redactor.text(text), redactor.payload(text)]) expect(out).not.toContain(secret);
      expect(redactor.headers({ "X-Any": [text] })["X-Any"]?.[0]).not.toContain(secret);
      if (text.startsWith("https")) expect(redactor.url(text)).not.toContain(secret);
    }),
    { numRuns: 500 },
  );
});

test("no secret survives in a payload, however it is wrapped", () => {
  fc.assert(
    fc.property(fc.constantFrom(...BODIES), key, canary, noise, (body, k, secret, n) => {
      expect(revealed(redactor.payload(body(k, secret, n)))).not.toContain(secret);
    }),
    { numRuns: 500 },
  );
});

test("no header that is a secret survives, in any case", () => {
  const name = fc.constantFrom(
    "authorization",
    "Cookie",
    "SET-COOKIE",
    "x-api-key",
    "Upstash-Forward-Authorization",
    "my-secret",
    "a-token-b",
  );
  fc.assert(
    fc.property(name, canary, (header, secret) => {
      expect(json(redactor.headers({ [header]: [secret] }))).not.toContain(secret);
    }),
  );
});

const anything = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: fc.constantFrom(..."token=:\"'\\{}[],&?#/@%; bearerREDACTED\n"), maxLength: 80 }),
  fc.json().map((text) => text),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.tuple(fc.constantFrom(...PLACES, ...BODIES), key, canary, noise).map(([place, k, c, n]) => place(k, c, n)),
);

test("redacting twice changes nothing more, and never throws", () => {
  fc.assert(
    fc.property(anything, (text) => {
      for (const redact of [redactor.text, redactor.url, redactor.payload]) {
        const once = redact(text);
        expect(redact(once)).toBe(once);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("valid JSON stays valid JSON", () => {
  fc.assert(
    fc.property(fc.json(), key, (text, k) => {
      expect(() => JSON.parse(redactor.payload(text))).not.toThrow();
      expect(() => JSON.parse(redactor.payload(`{"${k}":${text}}`))).not.toThrow();
    }),
  );
});

test.each([
  ['token:"', 300_000],
  ["://", 600_000],
  ["://a:b@", 250_000],
  ["https://h/?u=", 150_000],
  ["bearer ", 280_000],
  ["eyJ", 600_000],
  ["x\\", 900_000],
  ["{", 2_000_000],
  ['["a":', 350_000],
  ['"', 2_000_000],
  ["token=[", 250_000],
  ["a", 2_000_000],
  [" ", 2_000_000],
])("two megabytes of %j neither hang nor overflow the stack", (part, times) => {
  const text = part.repeat(times);
  for (const redact of [redactor.text, redactor.url, redactor.payload]) expect(redact(text).length).toBeLessThanOrEqual(4 * text.length);
});
