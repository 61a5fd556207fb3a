import type { SigningKeys } from "../engine/signature.ts";
import type { ProgramRun } from "./run-program.ts";

/** To the thread in which programs run; each is answered by one `Answer` of its number. */
export type Question =
  | { readonly ask: "open"; readonly program: string; readonly engine: EngineAddress }
  | { readonly ask: "start" | "acted" | "seen" | "close" };

export interface EngineAddress {
  readonly url: string;
  readonly token: string;
  readonly signingKeys?: SigningKeys | undefined;
  /** Of the engine's clock. */
  readonly clock: SharedArrayBuffer;
}

export type ToThread =
  | { readonly kind: "question"; readonly number: number; readonly question: Question }
  /** That while is over; the clock is held until `acted` of the same number. */
  | { readonly kind: "now"; readonly number: number };

export type FromThread =
  | { readonly kind: "answer"; readonly number: number; readonly value: string | Pick<ProgramRun, "truth" | "deliveries"> | undefined }
  | { readonly kind: "failed"; readonly number: number; readonly message: string }
  | { readonly kind: "after"; readonly number: number; readonly ms: number }
  | { readonly kind: "acted"; readonly number: number }
  | { readonly kind: "stand"; readonly host: string; readonly address: string };
