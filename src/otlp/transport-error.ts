import type { Outcome } from "../destinations/destination.ts";
import { words } from "./words.ts";

/**
 * What became of a request that got no answer. Nothing of its text is a secret as long as `scrub` takes them out.
 * `timedOut`: our own deadline passed, of `timeoutMs` milliseconds.
 */
export function classifyError(
  error: unknown,
  context: { readonly aborted: boolean; readonly timedOut: boolean; readonly timeoutMs: number; readonly scrub: (text: string) => string },
): Outcome {
  if (context.aborted) return retry("destination", "aborted");
  if (context.timedOut) return { ...retry("batch", `no whole answer within ${context.timeoutMs} ms`), suspect: true };
  const { code, message } = facts(error);
  const said = words(code === "" || message.includes(code) ? message : `${code}: ${message}`, context.scrub);
  const fix = fixFor(code);
  if (fix !== undefined) return { kind: "misconfigured", reason: `${said} (${fix})` };
  return { ...retry("destination", said), suspect: LOST.has(code) };
}

/** The connection stood and was lost: perhaps because of this very request. */
const LOST = new Set(["ECONNRESET", "EPIPE"]);

function retry(scope: "destination" | "batch", reason: string) {
  return { kind: "retry", scope, reason, suspect: false } as const;
}

/** What somebody must mend; undefined where it may pass by itself. Codes: Node's and OpenSSL's. */
function fixFor(code: string): string | undefined {
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_(UNTRUSTED|SIGNATURE|CHAIN|REJECTED)|INVALID_CA/.test(code)) {
    return "tls.ca_file must name the authority that signed the server's certificate";
  }
  if (/CERT_(HAS_EXPIRED|NOT_YET_VALID)/.test(code)) return "renew the server's certificate, or set this machine's clock";
  if (/ALTNAME|HOSTNAME_MISMATCH/.test(code)) return "use a name in endpoint that the server's certificate holds";
  if (/ALERT|CERTIFICATE_REQUIRED|BAD_CERTIFICATE/.test(code)) {
    return "the server refused our side of TLS: check tls.cert_file and tls.key_file";
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code))
    return "the server speaks no TLS here: http:// or another port?";
  if (/^(ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO|CERT_)/.test(code)) return "check the destination's tls options and the server's certificate";
  if (/^(HPE_|HTTPParserError)/.test(code)) return "the server speaks no HTTP/1.1 here: OTLP over HTTP is usually port 4318, 4317 is gRPC";
  if (/^(ERR_INVALID_|ERR_UNESCAPED_)/.test(code)) return "check the destination's endpoint and headers";
  return undefined;
}

/** The innermost error with a code or a name: Node wraps the cause, and the tried addresses of a name. */
function facts(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  const inner = error.cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  const found = inner instanceof Error ? facts(inner) : { code: "", message: "" };
  if (found.code !== "") return found;
  return { code: typeof code === "string" ? code : error.name, message: error.message };
}
