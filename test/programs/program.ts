import type { Client, WorkflowContext } from "@upstash/workflow";
import type { serveMany } from "@upstash/workflow/cloudflare";
import type { Millis } from "../../src/fake-upstash/wire.ts";

/** Workflows of one app, by their names, as the SDK's `createWorkflow` makes them. */
export type Workflows = Parameters<typeof serveMany>[0];

type TriggerOptions = Parameters<Client["trigger"]>[0][number];

/** What steps need of a workflow's context, whatever its payload. */
export type StepContext = Pick<WorkflowContext, "workflowRunId" | "run">;

/** One program: the workflows of an app, of which the first is triggered, and what somebody outside does meanwhile. */
export interface Program {
  readonly name: string;
  readonly workflows: (world: World) => Workflows;
  /** Public address of its app, such as `https://shop.example.com/api/workflows`; default: its address on this machine. */
  readonly publicUrl?: string;
  /** Third parties by their public host names; the others are `World.third`. */
  readonly thirdParties?: Readonly<Record<string, ThirdParty>>;
  readonly trigger?: (world: World) => Omit<TriggerOptions, "url">;
  /** Started by a request to the app itself, with the trigger's body and headers; one more request that the app gets. */
  readonly direct?: boolean;
  /** Called when the run is triggered; acts through `world.after`. */
  readonly outside?: (world: World, runId: string) => Promise<unknown>;
  /** How the run ends. */
  readonly ends: "RUN_SUCCESS" | "RUN_FAILED" | "RUN_CANCELED";
  /** How often the app is asked, all its runs together; each program says how its number comes about. */
  readonly deliveries: number;
  /** Lengths of its sleeps by step name, in ms: user code cannot see when a sleep starts or ends. */
  readonly sleeps?: Readonly<Record<string, Millis>>;
}

/** Answers a request; `attempt` counts those to the same URL, from 1. */
export type ThirdParty = (request: Request, attempt: number) => Promise<Response>;

/** What a program's code can reach. */
export interface World {
  readonly client: Client;
  /** Engine time. */
  now(): Millis;
  /** Of a workflow of this program. */
  url(workflow: string): string;
  /**
   * context.run with a function that works that long and says by the engine's clock when it did. `result` is called
   * at its end; what it throws, the function throws.
   */
  run<T = undefined>(context: StepContext, step: string, ms: Millis, result?: (attempt: number) => T): Promise<T>;
  /** What a failure function does: works a while, and says when. */
  told(runId: string, ms: Millis): Promise<void>;
  /** URL of a third party that says when it was asked, and answers like this. */
  third(context: StepContext, step: string, answer: ThirdAnswer): string;
  /** Somebody outside acts after a while of engine time, and says when. */
  after<T>(about: { readonly runId: string; readonly step: string }, ms: Millis, act: () => Promise<T>): Promise<T>;
}

export interface ThirdAnswer {
  readonly ms: Millis;
  /** Default 200. */
  readonly status?: number;
  /** So many times a 500 first. */
  readonly failures?: number;
}
