/** What a grouped log body says of its runs' identities, whatever else is in it. */
export interface Scanned {
  /** One object a run, with no more than the scalar fields that identify it. */
  readonly entries: readonly Record<string, unknown>[];
  readonly cursor?: unknown;
  /** The body ended where its JSON does. */
  readonly complete: boolean;
}

const KEPT = new Set(["cursor", "workflowRunId", "workflowRunCreatedAt", "workflowCreatedAt"]);
/** A longer scalar is no identity; nothing longer is ever kept. */
const MAX_SCALAR_BYTES = 4_096;
/** Where scalars are of interest: in the body itself, and in a member of its list `runs`. */
const BODY_DEPTH = 1;
const RUN_DEPTH = 3;

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Reads a body of any size, byte by byte, in constant memory but for the identities found. */
export async function scanRuns(chunks: AsyncIterable<Buffer>): Promise<Scanned> {
  const scanner = createScanner();
  for await (const chunk of chunks) for (const byte of chunk) scanner.feed(byte);
  return scanner.result();
}

function createScanner() {
  const entries: Record<string, unknown>[] = [];
  const body: Record<string, unknown> = {};
  let depth = 0;
  let inRuns = false;
  let inString = false;
  let escaped = false;
  let key: unknown;
  let token: number[] = [];

  const keep = (byte: number) => {
    const watched = depth === BODY_DEPTH || (depth === RUN_DEPTH && inRuns);
    if (watched && token.length <= MAX_SCALAR_BYTES) token.push(byte);
  };
  const take = () => {
    const scalar = scalarOf(token);
    token = [];
    return scalar;
  };
  const settle = () => {
    const value = take();
    const owner = depth === BODY_DEPTH ? body : entries.at(-1);
    if (owner !== undefined && value !== undefined && typeof key === "string" && KEPT.has(key)) owner[key] = value;
    key = undefined;
  };
  const open = (byte: number) => {
    if (depth === BODY_DEPTH) inRuns = byte === OPEN_LIST && key === "runs";
    depth += 1;
    if (depth === RUN_DEPTH && inRuns) entries.push({});
    key = undefined;
  };

  return {
    feed(byte: number): void {
      if (inString || byte === QUOTE) {
        keep(byte);
        inString = !inString || escaped || byte !== QUOTE;
        escaped = inString && byte === BACKSLASH && !escaped;
      } else if (byte === COLON) key = take();
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) open(byte);
      else if (byte === COMMA) settle();
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        settle();
        depth -= 1;
      } else keep(byte);
    },
    result: (): Scanned => ({ entries, cursor: body.cursor, complete: depth === 0 && !inString }),
  };
}

function scalarOf(token: readonly number[]): unknown {
  if (token.length > MAX_SCALAR_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.from(token).toString("utf8"));
  } catch {
    return undefined;
  }
}
