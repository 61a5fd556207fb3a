import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { withTables } from "../.ci/readme.ts";
import { COMMANDS } from "../src/commands/commands.ts";
import { EXIT } from "../src/commands/io.ts";
import { loadConfig } from "../src/config/load.ts";
import * as ids from "../src/trace/ids.ts";

/** What the README says works: every command, option, path, link, YAML block and table. */
const ROOT = join(import.meta.dirname, "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };
const folder = mkdtempSync(join(tmpdir(), "wfotel-readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The blocks of a language, as they stand. */
const blocks = (language: string) =>
  [...README.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);
const inlineCode = [...README.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
const shellLines = blocks("sh").flatMap((block) => block.replaceAll("\\\n", " ").split("\n"));
const unique = <T>(values: readonly T[]) => [...new Set(values)];

test("its tables are those of the code (npm run docs makes them anew)", () => {
  expect(README).toBe(withTables(README));
});

test("every npm script that it names exists", () => {
  const named = unique([...README.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map((match) => match[1]!));
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});

describe("commands", () => {
  const lines = [...shellLines, ...inlineCode].flatMap((line) => line.split(/&&|\||;/)).map((part) => part.trim());
  const commands = unique(lines.flatMap((line) => /^(?:npm run --silent wfotel --|wfotel) ((?!COMMAND)[a-z].*)$/.exec(line)?.[1] ?? []));

  test.each(commands)("wfotel %s", (command) => {
    const [name = "", ...words] = command.split(/\s+/);
    expect(Object.keys(COMMANDS)).toContain(name);
    const known = `${COMMANDS[name]!.usage} --config --state --log-level --help --version`;
    for (const option of words.filter((word) => /^\[?--\w/.test(word))) expect(known).toContain(option.replaceAll(/[[\]]/g, ""));
    const config = words[words.indexOf("--config") + 1];
    if (words.includes("--config") && config !== "FILE") expect(existsSync(join(ROOT, config!)), config).toBe(true);
  });

  test("every command of the program is among them", () => {
    expect(unique(commands.map((command) => command.split(" ")[0])).sort()).toEqual(Object.keys(COMMANDS).sort());
  });
});

test.each(blocks("yaml").map((block, index) => [index + 1, block] as const))(
  "YAML block %i is a configuration that loads",
  (index, block) => {
    const secrets = join(folder, "secrets");
    mkdirSync(secrets, { recursive: true });
    writeFileSync(join(secrets, "qstash_token"), "canary");
    writeFileSync(join(folder, "base.yaml"), "environment: test\n");
    const file = join(folder, `block-${index}.yaml`);
    writeFileSync(file, block.replaceAll("/run/secrets", secrets));
    const env = Object.fromEntries([...block.matchAll(/\$\{env:(\w+)/g)].map((match) => [match[1]!, "canary"]));
    const loaded = loadConfig({ file, env, cwd: folder, require: { source: false, destination: false } });
    expect(loaded).toMatchObject({ ok: true, warnings: [] });
  },
);

test("the exit codes are the program's", () => {
  const table = README.slice(README.indexOf("| exit code |"), README.indexOf("```", README.indexOf("| exit code |")));
  const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
  expect(codes).toEqual(Object.values(EXIT));
});

test("every path and link in it leads somewhere", () => {
  const paths = inlineCode.filter((code) => /^(?:src|test|config|\.ci)\/[\w./-]+$/.test(code));
  const links = [...README.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!);
  expect(unique([...paths, ...links]).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  const anchors = [...README.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
  const wanted = [...README.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1]!);
  expect(wanted.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
});

test("its program computes what it says", () => {
  expect(blocks("ts")[0]).toContain(`// "${ids.traceId("wfr_x", 1736340463061)}"`);
  expect(Object.keys(ids.runSpanContext("wfr_x", 1736340463061))).toEqual(["traceId", "spanId", "traceFlags", "isRemote"]);
});

test("no section is empty", () => {
  const sections = README.split(/^## /m).slice(1);
  expect(sections.length).toBeGreaterThan(10);
  expect(sections.filter((section) => !/\n\n\S/.test(section))).toEqual([]);
});
