import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";
import { beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { useBridge } from "./bridge.ts";
import { barOf, colourOf, openBrowser, openTrace, rowOf, showTags } from "./browser.ts";
import { type Collector, startCollector } from "./collector.ts";
import { putHistory } from "./history.ts";
import { type ExpectedSpan, formOf, linkedSides } from "./mapped.ts";
import { putOrder } from "./order-run.ts";
import { startZipkin, type Zipkin, type ZipkinSpan, zipkinTrace } from "./zipkin.ts";
import { asZipkinShows } from "./zipkin-view.ts";

/** Stands in the README; `npm run screenshot` makes it anew. */
const PICTURE = join(import.meta.dirname, "zipkin.png");

const { collector, zipkin, chromium } = inject("backends");

describe.skipIf(!collector.ok || !zipkin.ok)("Zipkin, behind the Collector", () => {
  const bridge = useBridge();
  let ui: Zipkin;
  let backend: Collector;
  beforeAll(async () => {
    ui = await startZipkin(zipkin.ok ? zipkin.folder : "");
    return () => ui.stop();
  });
  beforeEach(async () => {
    backend = await startCollector(collector.ok ? collector.folder : "", bridge.folder, { zipkin: ui.spans });
    return () => backend.stop();
  });

  /** Zipkin stores a moment after it has answered. */
  async function shown(expected: readonly ExpectedSpan[]): Promise<readonly ZipkinSpan[]> {
    const ids = [...new Set(expected.map((span) => span.traceId))];
    for (let tries = 0; tries < 100; tries += 1) {
      const spans = (await Promise.all(ids.map((id) => zipkinTrace(ui, id)))).flat();
      if (spans.length >= expected.length) return spans;
      await sleep(100);
    }
    throw new Error("Zipkin does not show every span");
  }

  const deliver = (encoding = "protobuf", state = "state") =>
    bridge.once([{ name: "zipkin", type: "otlp-http", endpoint: backend.otlp, encoding }], state);

  test.each(["protobuf", "json"])("shows every span as the mapper made it, in its own model (%s)", async (encoding) => {
    putHistory(bridge.api.store, Date.now());
    const expected = await bridge.expected();
    expect(await deliver(encoding)).toMatchObject({ code: 0 });
    const found = await shown(expected);
    expect(found.length).toBe(expected.length);
    const byId = new Map(found.map((span) => [span.id, span]));
    const linksOf = (spanId: string) => Object.keys(byId.get(spanId)?.tags ?? {}).filter((tag) => tag.startsWith("otlp.link.")).length;
    for (const span of expected) expect(byId.get(span.spanId)).toEqual(asZipkinShows(formOf(span, linksOf(span.spanId))));
    const sides = linkedSides(expected, linksOf);
    expect(sides.length).toBeGreaterThan(0);
    expect(sides).toEqual(sides.map(() => 1));
  });

  test("shows a run once that was delivered twice", async () => {
    putOrder(bridge.api.store, Date.now());
    const expected = await bridge.expected();
    for (const state of ["first", "second"]) expect(await deliver("protobuf", state)).toMatchObject({ code: 0 });
    await sleep(1_000); // what came twice would be there by now
    expect((await shown(expected)).map((span) => span.id).sort()).toEqual(expected.map((span) => span.spanId).sort());
  });

  describe.skipIf(!chromium.ok)("in a browser", () => {
    let browser: Browser;
    let page: Page;
    beforeEach(async () => {
      putOrder(bridge.api.store, Date.now());
      const expected = await bridge.expected();
      expect(await deliver()).toMatchObject({ code: 0 });
      await shown(expected);
      browser = await openBrowser(chromium.ok ? chromium.folder : "");
      page = await openTrace(browser, ui.url, expected[0]?.traceId ?? "");
      return () => browser.close();
    });

    test("a person sees the root, the parallel steps side by side, and the failed call in red with its attributes", async () => {
      await expect.poll(() => rowOf(page, "shop.example.com: /api/orders").count()).toBe(1);
      const root = await barOf(rowOf(page, "shop.example.com: /api/orders"));
      const parallel = await Promise.all(
        ["shop.example.com: reserve stock", "api.payments.example: charge card", "shop.example.com: fraud check"].map((label) =>
          barOf(rowOf(page, label)),
        ),
      );
      for (const { left, right } of parallel) {
        expect(Math.abs(left - (parallel[0]?.left ?? 0))).toBeLessThan(2);
        expect(right).toBeGreaterThan(left + 20);
        expect(left).toBeGreaterThanOrEqual(root.left);
        expect(right).toBeLessThanOrEqual(root.right);
      }
      const next = await barOf(rowOf(page, "shop.example.com: cancellation period"));
      expect(next.left).toBeGreaterThan(Math.max(...parallel.map(({ right }) => right)) - 2);

      const failed = rowOf(page, "courier.example.net: book courier");
      const [red, green, blue] = await colourOf(failed.locator("svg"));
      expect(red).toBeGreaterThan(150);
      expect(Math.max(green ?? 255, blue ?? 255)).toBeLessThan(100);
      expect(await rowOf(page, "parcels.example.org: book second courier").locator("svg").count()).toBe(0);

      await showTags(page, "courier.example.net: book courier");
      const details = await page.locator("body").innerText();
      for (const text of ["http.response.status_code", "503", "http.request.method", "POST", "https://courier.example.net/shipments"])
        expect(details).toContain(text);

      const picture = await page.screenshot();
      expect(picture.length).toBeLessThan(200_000);
      if (process.env.WFOTEL_SCREENSHOT !== undefined) writeFileSync(PICTURE, picture);
    });
  });
});
