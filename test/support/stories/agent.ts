import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { type CallWork, run } from "../scenarios/program.ts";
import { scenario } from "../scenarios/scenario.ts";

interface Turn {
  readonly name: string;
  readonly ms: number;
  readonly finish: "tool_calls" | "stop";
  /** Tokens in and out. */
  readonly usage: readonly [number, number];
}

/** One chat completion, with the bodies as that API has them. */
function chat({ name, ms, finish, usage: [input, output] }: Turn): CallWork {
  return {
    kind: "call",
    name,
    ms,
    method: "POST",
    url: "https://api.openai.com/v1/chat/completions",
    headers: { "Content-Type": ["application/json"], Authorization: [`Bearer ${PLANTED_SECRET}`] },
    body: { model: "gpt-4o-mini", messages: [{ role: "user", content: "Which orders are late?" }] },
    status: 200,
    response: {
      id: "chatcmpl-demo",
      object: "chat.completion",
      model: "gpt-4o-mini-2024-07-18",
      choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", content: "…" } }],
      usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
    },
  };
}

const tool = (name: string, ms: number) => run(name, ms, { rows: 4 });

export const supportAgent = scenario("support-agent", "an LLM agent: three turns, and tools between them", {
  url: "https://agents.example.com/api/workflows/support",
  payload: { question: "Which orders are late?" },
  labels: ["agent"],
  steps: [
    chat({ name: "plan", ms: 1_240, finish: "tool_calls", usage: [412, 58] }),
    [tool("search orders", 380), tool("search tickets", 610)],
    chat({ name: "reason", ms: 1_870, finish: "tool_calls", usage: [1_630, 121] }),
    tool("update ticket", 150),
    chat({ name: "answer", ms: 1_410, finish: "stop", usage: [1_902, 240] }),
  ],
  response: { answered: true },
});
