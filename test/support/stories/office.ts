import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { play } from "../scenarios/play.ts";
import { DAY, HOUR, MINUTE, type Program, run, SECOND } from "../scenarios/program.ts";
import { type Scenario, scenario } from "../scenarios/scenario.ts";

const BASE = "https://office.example.com/api/workflows";

const approvalProgram: Program = {
  url: `${BASE}/expense`,
  payload: { expense: 311, amount: 480 },
  labels: ["approvals"],
  steps: [
    run("check policy", 130, { needsApproval: true }),
    {
      kind: "wait",
      name: "manager decides",
      eventId: "expense-311",
      timeoutMs: 7 * DAY,
      notifiedAfterMs: 2 * HOUR + 11 * MINUTE,
      eventData: { approved: true },
    },
    run("book expense", 260),
  ],
  response: { approved: true },
};

/** Two runs: one waits for hours, the other's Notify ends the wait. */
export const expenseApproval: Scenario = {
  name: "expense-approval",
  title: "an approval that waits for hours, and the run whose notify ends the wait",
  happen(start, random) {
    const [waiting] = play(approvalProgram, start, random);
    const decided = waiting.truth.find((step) => step.name === "manager decides")?.end ?? start;
    const runId = waiting.versions[0]?.run.workflowRunId ?? "";
    const waiter = {
      url: approvalProgram.url,
      deadline: Math.floor((start + 7 * DAY) / SECOND),
      headers: { "Upstash-Workflow-Runid": [runId] },
    };
    const out = {
      eventId: "expense-311",
      eventData: { approved: true },
      notifyResponse: [{ waiter, messageId: "msg_notified", error: "" }],
    };
    const [deciding] = play(
      {
        url: `${BASE}/expense/decision`,
        steps: [run("record decision", 60), { kind: "run", type: "Notify", name: "notify requester", ms: 8, out }],
      },
      decided - 80,
      random,
    );
    return [waiting, deciding];
  },
};

export const confirmationTimesOut = scenario("sign-up", "a wait that nobody answers for three days", {
  url: `${BASE}/sign-up`,
  steps: [
    run("send confirmation mail", 190),
    { kind: "wait", name: "address confirmed", eventId: "confirm-9", timeoutMs: 3 * DAY },
    run("remove sign-up", 80),
  ],
  response: "expired",
});

export const nightlyReport = scenario("nightly-report", "a nightly job that sleeps for a day between its two halves", {
  url: `${BASE}/nightly-report`,
  labels: ["cron"],
  steps: [
    run("collect figures", 1_700, { rows: 81_412 }),
    { kind: "sleep", name: "until tomorrow night", ms: DAY, until: true },
    [run("render pdf", 1_450), run("render csv", 300), { kind: "sleep", name: "quiet minute", ms: MINUTE }],
    run("mail report", 240),
  ],
});

export const canceledCampaign = scenario("campaign", "a campaign that is canceled in mid-sleep", {
  url: `${BASE}/campaign`,
  steps: [run("choose audience", 450, { people: 1_200 }), { kind: "sleep", name: "until the launch", ms: 2 * DAY }],
  canceledAfterMs: 47 * MINUTE,
});

export const reminder = scenario("reminder", "a start that was scheduled ten minutes ahead", {
  url: `${BASE}/reminder`,
  startDelayMs: 10 * MINUTE,
  steps: [run("load appointment", 90), run("send reminder", 210)],
});

const createDatabase: Program = {
  url: `${BASE}/create-database`,
  payload: { tenant: "acme" },
  steps: [run("allocate", 640), { kind: "sleep", name: "let it boot", ms: 2 * SECOND }, run("migrate", 1_150)],
  response: { dsn: `postgres://acme:${PLANTED_SECRET}@db.example.net/acme` },
};

const provisionTenant: Program = {
  url: `${BASE}/provision-tenant`,
  payload: { tenant: "acme" },
  steps: [run("reserve name", 110), { kind: "invoke", name: "create database", program: createDatabase }, run("create admin", 170)],
  response: { ready: true },
};

export const onboarding = scenario("onboarding", "a parent that invokes a child that invokes a child", {
  url: `${BASE}/onboarding`,
  payload: { customer: "acme" },
  steps: [run("open account", 240), { kind: "invoke", name: "provision tenant", program: provisionTenant }, run("send welcome", 180)],
  response: "welcome",
});
