import { join } from "node:path";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";

/** The installed chromium; it is to talk to the loopback alone. */
export async function openBrowser(made: string): Promise<Browser> {
  return chromium.launch({
    executablePath: join(made, "chromium"),
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A trace in Zipkin's page, once it is drawn. */
export async function openTrace(browser: Browser, url: string, traceId: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1_400, height: 640 } });
  await page.goto(`${url}/zipkin/traces/${traceId}`);
  await page.getByText("Total Spans").waitFor();
  return page;
}

/** The line of a span in the timeline, by its whole label: `service: name`. */
export function rowOf(page: Page, label: string): Locator {
  return page.locator("div[style*='position: absolute']").filter({ has: page.getByText(label, { exact: true }) });
}

export interface Bar {
  readonly left: number;
  readonly right: number;
}

/** Where a span's bar lies, in CSS pixels: the widest thing of the row that is coloured and as high as a bar. */
export async function barOf(row: Locator): Promise<Bar> {
  const bars: Bar[] = await row.locator("div").evaluateAll((elements) =>
    elements
      .filter((element) => element.ownerDocument.defaultView.getComputedStyle(element).backgroundColor !== "rgba(0, 0, 0, 0)")
      .map((element) => element.getBoundingClientRect())
      .filter(({ height }) => height >= 4 && height <= 8)
      .map(({ left, right }) => ({ left, right })),
  );
  return bars.reduce((widest, bar) => (bar.right - bar.left > widest.right - widest.left ? bar : widest));
}

/** Selects a span and brings its tags into view, beside the timeline. */
export async function showTags(page: Page, label: string): Promise<void> {
  await page.getByText(label, { exact: true }).first().click();
  await page.getByText("Client Start").waitFor();
  await page.getByText("Tags", { exact: true }).evaluate((element) => element.scrollIntoView({ block: "start" }));
}

/** Red, green and blue of an icon, 0–255. */
export async function colourOf(icon: Locator): Promise<number[]> {
  const colour: string = await icon.evaluate((element) => element.ownerDocument.defaultView.getComputedStyle(element).color);
  return (colour.match(/\d+/g) ?? []).map(Number);
}
