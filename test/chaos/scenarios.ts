import type { Scenario } from "./scenario.ts";
import { ANSWERS } from "./scenarios/answers.ts";
import { API } from "./scenarios/api.ts";
import { BACKEND } from "./scenarios/backend.ts";
import { BROKEN, CONTROLS } from "./scenarios/broken.ts";
import { FEED } from "./scenarios/feed.ts";
import { KILLS } from "./scenarios/kills.ts";
import { RUNS } from "./scenarios/runs.ts";
import { SECRETS } from "./scenarios/secrets.ts";
import { STATE } from "./scenarios/state.ts";

/** Everything but the storms, which are repeated until there were enough kills. */
export const SCENARIOS: readonly Scenario[] = [
  ...KILLS,
  ...CONTROLS,
  ...BROKEN,
  ...API,
  ...FEED,
  ...BACKEND,
  ...ANSWERS,
  ...RUNS,
  ...STATE,
  ...SECRETS,
];
