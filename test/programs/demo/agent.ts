import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { answering, type DemoProgram } from "./demo-program.ts";

interface Turn {
  readonly ms: number;
  readonly finish: "tool_calls" | "stop";
  /** Tokens in and out. */
  readonly usage: readonly [number, number];
}

/** What the model says to each of the agent's questions, by the names of its steps. */
const TURNS: Readonly<Record<string, Turn>> = {
  plan: { ms: 1_240, finish: "tool_calls", usage: [412, 58] },
  reason: { ms: 1_870, finish: "tool_calls", usage: [1_630, 121] },
  answer: { ms: 1_410, finish: "stop", usage: [1_902, 240] },
};

/** A chat completion, with the body as that API has it. */
async function complete(request: Request): Promise<Response> {
  const { user } = (await request.clone().json()) as { user: string };
  const { ms, finish, usage } = TURNS[user] ?? { ms: 0, finish: "stop", usage: [0, 0] };
  const [input, output] = usage;
  const body = {
    id: `chatcmpl-${user}`,
    object: "chat.completion",
    model: "gpt-4o-mini-2024-07-18",
    choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", content: "…" } }],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
  };
  return answering(ms, 200, body)(request, 1);
}

type Context = WorkflowContext<{ question: string }>;

/** One turn; `user` is a field of that API, for the caller's own use. */
function chat(context: Context, turn: string) {
  return context.call(turn, {
    url: "https://api.openai.com/v1/chat/completions",
    method: "POST",
    headers: { Authorization: `Bearer ${PLANTED_SECRET}` },
    body: JSON.stringify({ model: "gpt-4o-mini", user: turn, messages: [{ role: "user", content: context.requestPayload.question }] }),
  });
}

/** An LLM agent: three turns, and tools between them. */
export const agent: DemoProgram = {
  name: "support",
  publicUrl: "https://agents.example.com/api/workflows",
  waits: [],
  workflows: (world) => ({
    support: createWorkflow(async (context: Context) => {
      await chat(context, "plan");
      await Promise.all([
        world.run(context, "search orders", 380, () => ({ rows: 4 })),
        world.run(context, "search tickets", 610, () => ({ rows: 4 })),
      ]);
      await chat(context, "reason");
      await world.run(context, "update ticket", 150);
      await chat(context, "answer");
      return { answered: true };
    }),
  }),
  thirdParties: { "api.openai.com": complete },
  trigger: () => ({ body: { question: "Which orders are late?" }, label: "agent" }),
  ends: "RUN_SUCCESS",
  // The payload, three calls with a callback each, two plans and two results, one more result.
  deliveries: 1 + 3 * 2 + 2 * 2 + 1,
};
