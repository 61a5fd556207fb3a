import { expect, test } from "vitest";
import { type MappingSettings, tracesSchema, type WorkflowRule, workflowRuleSchema } from "../../src/trace/config.ts";
import { guessedHost, nameRun } from "../../src/trace/naming.ts";

const settings = (rules: readonly unknown[] = [], own: Partial<MappingSettings> = {}): MappingSettings => ({
  resource: {},
  traces: tracesSchema.parse({}),
  workflows: rules.map((rule) => workflowRuleSchema.parse(rule)),
  ...own,
});
const at = (url: string, labels: readonly string[] = []) => ({ url, labels });

test.each([
  ["https://app.example.com/api/orders/7c9e6679-7425-40de-944b-e07fc1f90ae7", "/api/orders/{id}"],
  ["https://app.example.com/api/orders/7C9E6679-7425-40DE-944B-E07FC1F90AE7/items", "/api/orders/{id}/items"],
  ["https://app.example.com/api/orders/123456", "/api/orders/{id}"],
  ["https://app.example.com/api/orders/12345", "/api/orders/12345"],
  ["https://app.example.com/api/order-1234567", "/api/order-{id}"],
  ["https://app.example.com/api/order1234567", "/api/order{id}"],
  ["https://app.example.com/u/0123456789abcdef/x", "/u/{id}/x"],
  ["https://app.example.com/u/0a1b2c3d4e5f6a7", "/u/0a1b2c3d4e5f6a7"],
  ["https://app.example.com/v1/call?user=1234567&token=abc#x", "/v1/call"],
  ["https://app.example.com", "/"],
  ["https://user:secret@app.example.com/api/call", "/api/call"],
  ["no url at all?token=abc", "no url at all"],
  ["", "workflow"],
  ["  ", "workflow"],
  ["https://app.example.com/hook/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "/hook/REDACTED"],
])("a workflow at %s is called %s", (url, name) => expect(nameRun(at(url), settings()).name).toBe(name));

test("without a rule the defaults name it", () => {
  const naming = nameRun(at("https://App.example.com:8443/api/call"), settings());
  expect({ ...naming, stepName: naming.stepName("charge-1") }).toEqual({
    dropped: false,
    name: "/api/call",
    serviceName: "app.example.com",
    attributes: {},
    traceContext: "link",
    stepName: "charge-1",
  });
});

const full = {
  match: { url: "https://app.example.com/api/*", label: "billing" },
  set: {
    name: "order",
    service_name: "shop",
    service_namespace: "retail",
    environment: "staging",
    attributes: { team: "payments" },
    trace_context: "join",
    step_names: [
      { match: "charge-*", name: "charge" },
      { match: "charge-vip-*", name: "never reached" },
      { match: "exact", name: "renamed" },
    ],
  },
};

test("a rule that matches by URL and label sets everything it names", () => {
  const naming = nameRun(
    at("https://app.example.com/api/x", ["other", "billing"]),
    settings([full], { environment: "production", serviceName: "env" }),
  );
  expect(naming).toMatchObject({
    rule: 0,
    dropped: false,
    name: "order",
    serviceName: "shop",
    serviceNamespace: "retail",
    environment: "staging",
    attributes: { team: "payments" },
    traceContext: "join",
  });
  expect(["charge-1", "charge-vip-2", "exact", "exactly", ""].map(naming.stepName)).toEqual(["charge", "charge", "renamed", "exactly", ""]);
});

test.each([
  ["another label", "https://app.example.com/api/x", ["bill"]],
  ["no label", "https://app.example.com/api/x", []],
  ["another URL", "https://other.example.com/api/x", ["billing"]],
])("a rule with URL and label does not match a run with %s", (_, url, labels) => {
  expect(nameRun(at(url, labels), settings([full])).rule).toBeUndefined();
});

test("the first rule that matches wins, and a later one adds nothing", () => {
  const naming = nameRun(
    at("https://app.example.com/api/x"),
    settings([
      { match: { url: "https://elsewhere/*" }, drop: true },
      { match: { url: "*" }, set: { name: "first" } },
      { match: { url: "https://app.example.com/*" }, set: { name: "second", service_name: "s" }, drop: true },
    ]),
  );
  expect(naming).toMatchObject({ rule: 1, name: "first", dropped: false, serviceName: "app.example.com" });
});

test("a pattern matches the URL with its query or without it", () => {
  const rules = settings([
    { match: { url: "https://a.b/exact" }, set: { name: "bare" } },
    { match: { url: "*mode=fast" }, set: { name: "fast" } },
  ]);
  expect(nameRun(at("https://a.b/exact?x=1#y"), rules).name).toBe("bare");
  expect(nameRun(at("https://a.b/exact/no?mode=fast"), rules).name).toBe("fast");
});

test("a label alone is enough, exactly as it is written", () => {
  const rules = settings([{ match: { label: "vip" }, drop: true }]);
  expect(nameRun(at("https://a.b/", ["vip"]), rules).dropped).toBe(true);
  expect(nameRun(at("https://a.b/", ["VIP", "vip*"]), rules).dropped).toBe(false);
});

test("a rule without URL and label matches no run, so that an emptied key cannot drop everything", () => {
  const empty: WorkflowRule = { ...workflowRuleSchema.parse({ match: { url: "*" }, drop: true }), match: {} };
  expect(nameRun(at("https://a.b/"), settings([], { workflows: [empty] })).dropped).toBe(false);
});

test("OTEL_SERVICE_NAME wins over the host, and a rule over both", () => {
  const own = { serviceName: "from-env" };
  expect(nameRun(at("https://a.b/"), settings([], own)).serviceName).toBe("from-env");
  expect(nameRun(at("https://a.b/"), settings([{ match: { url: "*" }, set: { service_name: "rule" } }], own)).serviceName).toBe("rule");
});

test("the environment and the way with a caller's trace come from the settings where no rule says otherwise", () => {
  const own = settings([], { environment: "production", traces: tracesSchema.parse({ trace_context: "ignore" }) });
  expect(nameRun(at("https://a.b/"), own)).toMatchObject({ environment: "production", traceContext: "ignore" });
});

test("a host that changes with every deployment is a guessed name, one that is stable is none", () => {
  const preview = at("https://shop-git-fix-team.vercel.app/api/order");
  expect(guessedHost(preview, settings())).toBe("shop-git-fix-team.vercel.app");
  expect(guessedHost(at("no URL"), settings())).toBe("");
  expect(guessedHost(at("https://shop.example.com/"), settings())).toBeUndefined();
  expect(guessedHost(preview, settings([{ match: { url: "*" }, set: { name: "order" } }]))).toBe("shop-git-fix-team.vercel.app");
  expect(guessedHost(preview, settings([{ match: { url: "*" }, set: { service_name: "shop" } }]))).toBeUndefined();
  expect(guessedHost(preview, settings([], { serviceName: "shop" }))).toBeUndefined();
});
