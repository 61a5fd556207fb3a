import type { Scenario } from "./scenario.ts";
import { API } from "./scenarios/api.ts";
import { BACKEND } from "./scenarios/backend.ts";
import { BROKEN, CONTROLS } from "./scenarios/broken.ts";
import { KILLS, STORMS } from "./scenarios/kills.ts";

/** Everything but the storms, which are repeated until there were enough kills. */
export const SCENARIOS: readonly Scenario[] = [...KILLS, ...CONTROLS, ...API, ...BACKEND, ...BROKEN];
export { STORMS };
