import { expect, test } from "vitest";
import { nameRun } from "../../src/trace/naming.ts";
import { aRun, group, initial, settingsWith, step } from "../support/run-builder.ts";
import { exported, golden, page, type Sections, traceparent } from "../support/story.ts";
import { told } from "../support/told-trace.ts";

/** What runs and their spans are called, and what they carry. */

test("rules name runs, the first that matches wins, and some are dropped", async () => {
  const everything = {
    name: "order",
    service_name: "shop",
    service_namespace: "retail",
    environment: "staging",
    attributes: { team: "payments", tier: 1 },
    trace_context: "join",
    step_names: [{ match: "charge-*", name: "charge" }],
  };
  const settings = settingsWith(
    {},
    {
      environment: "production",
      workflows: [
        { match: { url: "https://*/internal/*" }, drop: true },
        { match: { url: "https://shop.example.com/api/*", label: "billing" }, set: everything },
        { match: { label: "vip" }, set: { name: "for a vip" } },
        { match: { url: "https://shop.example.com/*" }, set: { service_name: "shop" } },
      ],
    },
  );
  const runs: Record<string, { url: string; labels?: string[] }> = {
    "URL and label": { url: "https://shop.example.com/api/orders/12345678?x=1", labels: ["eu", "billing"] },
    "the label is missing": { url: "https://shop.example.com/api/orders/12345678" },
    "label alone": { url: "https://other.example.com/x", labels: ["vip"] },
    "the first of two": { url: "https://shop.example.com/api/x", labels: ["vip", "billing"] },
    dropped: { url: "https://shop.example.com/internal/job", labels: ["billing"] },
    "no rule, ids in the path": {
      url: "https://api.example.com/users/3f2504e0-4f89-11d3-9a0c-0305e82c3301/items/deadbeefdeadbeef/v2/99999",
    },
    "no rule, a host that collapses": { url: "https://shop-git-main-acme.vercel.app/api/workflow" },
    "no rule, a tunnel": { url: "https://1234-abcd.ngrok-free.app/api/workflow" },
  };
  const sections = Object.entries(runs).map(([title, over]) => {
    const headers = { Traceparent: [traceparent("01")] };
    const run = aRun(500, [], { ...over, groups: [group(initial({ headers })), group(step("Run", "charge-17", 400, { id: 1 }))] });
    if (nameRun(run, settings).dropped) return [title, "dropped"] as const;
    const [mapped] = exported([run], settings);
    const text = told([mapped!], { runs: [run], attributes: /workflow\.name|step\.name|team|tier/ });
    return [title, `resource ${JSON.stringify(mapped!.resource)}\n\n${text}`] as const;
  });
  await expect(page(sections)).toMatchFileSnapshot(golden("naming rules"));
});

test("attributes: full, and lean, which keeps 32 of a span, identity first", async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`user.attribute.${i}`, i]));
  const workflows = [{ match: { url: "*" }, set: { attributes: many } }];
  const run = aRun(500, [group(step("Run", "work", 400, { id: 1 }))], { labels: ["eu"], flowControlKey: "k", callerIp: "203.0.113.9" });
  const rootOf = (attributes: string) => Object.keys(exported([run], settingsWith({ attributes }, { workflows }))[0]!.spans[0]!.attributes);
  const [full, lean] = [rootOf("full"), rootOf("lean")];
  expect(lean).toHaveLength(32);
  const sections: Sections = [
    ["full", full.join("\n")],
    ["lean", lean.join("\n")],
  ];
  await expect(page(sections)).toMatchFileSnapshot(golden("attributes full and lean"));
});
