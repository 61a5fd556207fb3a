import { isBetween, type Kill } from "./kill.ts";
import type { Result } from "./scenario.ts";

/** What the harness prints, and the figures for the README. */

export function line({ name, seed, seconds, verdict, kills, crashes, faults, failures }: Result): string {
  const { runs, delivered, quarantined, excluded, spans, duplicates } = verdict;
  const told = [
    `${failures.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(34)} seed ${seed}`,
    `${seconds.toFixed(1)} s`,
    `${runs} runs: ${delivered} delivered ${quarantined} quarantined ${excluded} excluded`,
    `${spans} spans, ${duplicates} twice`,
    ...(crashes > 0
      ? [`${crashes} kills${kills.length > 0 ? ` (${kills.filter((kill) => isBetween(kill.stage)).length} in between)` : ""}`]
      : []),
    ...(Object.keys(faults).length > 0
      ? [
          Object.entries(faults)
            .map(([fault, count]) => `${count} × ${fault}`)
            .join(", "),
        ]
      : []),
  ];
  const reasons = [...new Set(failures)];
  const why = reasons.slice(0, 8).map((failure) => `\n       ${failure.slice(0, 2_500)}`);
  return told.join(" · ") + why.join("") + (reasons.length > 8 ? `\n       … and ${reasons.length - 8} more` : "");
}

export interface Figures {
  readonly seed: number;
  readonly scenarios: number;
  readonly failed: number;
  readonly kills: number;
  readonly killsInBetween: number;
  readonly killsByStage: Readonly<Record<string, number>>;
  readonly killsByTrigger: Readonly<Record<string, number>>;
  readonly crashes: number;
  readonly runs: number;
  readonly spans: number;
  readonly duplicates: number;
  readonly duplicatesPerCrash: number;
  readonly faults: Readonly<Record<string, number>>;
}

export function summarize(results: readonly Result[], seed: number): { text: string; figures: Figures; passed: number; failed: number } {
  const kills = results.flatMap((result) => result.kills);
  const failed = results.filter((result) => result.failures.length > 0).length;
  const stormy = results.filter((result) => result.kills.length > 0);
  const sum = (of: readonly Result[], pick: (result: Result) => number) => of.reduce((total, result) => total + pick(result), 0);
  const inBetween = kills.filter((kill) => isBetween(kill.stage)).length;
  const duplicates = sum(stormy, (result) => result.verdict.duplicates);
  const crashes = sum(results, (result) => result.crashes);
  const figures: Figures = {
    seed,
    scenarios: results.length,
    failed,
    kills: kills.length,
    killsInBetween: inBetween,
    killsByStage: count(kills, (kill) => kill.stage),
    killsByTrigger: count(kills, (kill) => (kill.reached ? kill.trigger : "the event did not come")),
    crashes,
    runs: sum(results, (result) => result.verdict.runs),
    spans: sum(results, (result) => result.verdict.spans),
    duplicates,
    duplicatesPerCrash: kills.length === 0 ? 0 : Number((duplicates / kills.length).toFixed(2)),
    faults: results.reduce<Record<string, number>>((total, { faults }) => {
      for (const [fault, times] of Object.entries(faults)) total[fault] = (total[fault] ?? 0) + times;
      return total;
    }, {}),
  };
  return { text: table(figures), figures, passed: results.length - failed, failed: failed + (enoughInBetween(kills) ? 0 : 1) };
}

/** With few kills chance decides; from 20 on at least half must have hit. */
const enoughInBetween = (kills: readonly Kill[]) =>
  kills.length < 20 || kills.filter((kill) => isBetween(kill.stage)).length * 2 >= kills.length;

function count(kills: readonly Kill[], by: (kill: Kill) => string): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(kills, by)].map(([name, group]): [string, number] => [name, group.length]).sort((a, b) => b[1] - a[1]),
  );
}

/** As the README has it. */
function table(figures: Figures): string {
  const share = (part: number) => (figures.kills === 0 ? "-" : `${Math.round((100 * part) / figures.kills)} %`);
  const number = (value: number) => value.toLocaleString("en");
  const rows = (of: Readonly<Record<string, number>>, cells: (n: number) => string[]) =>
    Object.entries(of).map(([name, n]) => `| ${[name, ...cells(n)].join(" | ")} |`);
  const killed = (n: number) => [number(n), share(n)];
  return [
    `Seed ${figures.seed}: ${figures.scenarios} scenarios, ${number(figures.kills)} kills survived, ${number(figures.killsInBetween)} of them (${share(figures.killsInBetween)}) between "page received" and "ack committed".`,
    `${number(figures.runs)} runs, ${number(figures.spans)} spans accepted; in the storms ${number(figures.duplicates)} of them again: ${figures.duplicatesPerCrash} per kill.`,
    ...["", "| where the kills hit | kills | share |", "| --- | --- | --- |", ...rows(figures.killsByStage, killed)],
    ...["", "| placed at | kills | share |", "| --- | --- | --- |", ...rows(figures.killsByTrigger, killed)],
    ...["", "| fault tried | times |", "| --- | --- |", ...rows(figures.faults, (n) => [number(n)])],
  ].join("\n");
}
