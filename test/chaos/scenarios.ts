import type { Scenario } from "./scenario.ts";
import { KILLS, STORMS } from "./scenarios/kills.ts";

/** Everything but the storms, which are repeated until there were enough kills. */
export const SCENARIOS: readonly Scenario[] = [...KILLS];
export { STORMS };
