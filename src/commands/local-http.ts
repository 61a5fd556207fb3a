import { parseListen } from "../telemetry/server.ts";

/** What a bridge on this machine answered; `error` where nothing did. Loads next to nothing. */
export type LocalAnswer = { readonly status: number; readonly body: string } | { readonly error: string };

/** Why it is not imported: telemetry/server.ts. */
const { get } = process.getBuiltinModule("node:http");

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** GET at `server.listen`; never throws. `timeout` in ms, for all of it. */
export function askLocal(listen: string, path: string, timeout: number, signal: AbortSignal): Promise<LocalAnswer> {
  const { host, port } = parseListen(listen);
  return new Promise((resolve) => {
    const failed = (error: unknown) => resolve({ error: error instanceof Error ? error.message : String(error) });
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
      const request = get({ host: reachable(host), port, path, agent: false, signal: deadline }, (response) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        response.on("data", (part: Buffer) => {
          bytes += part.length;
          if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error("its answer is too long"));
          else parts.push(part);
        });
        response.on("error", failed);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString("utf8") }));
      });
      request.on("error", failed);
    } catch (error) {
      failed(error); // a port that is none
    }
  });
}

/** Who listens on every address is asked on this machine's own. */
function reachable(host: string): string {
  if (host === "" || host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
