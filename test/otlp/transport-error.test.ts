import { expect, it } from "vitest";
import { classifyError } from "../../src/otlp/transport-error.ts";

const CANARY = "canary-secret-7d1f";
const context = { aborted: false, timedOut: false, timeoutMs: 10_000, scrub: (text: string) => text.replaceAll(CANARY, "[REDACTED]") };
const error = (code: string, message = "it failed") => Object.assign(new Error(message), { code });

it.each([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls.ca_file"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "tls.ca_file"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls.ca_file"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "tls.ca_file"],
  ["CERT_HAS_EXPIRED", "renew"],
  ["CERT_NOT_YET_VALID", "clock"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "name in endpoint"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tls.cert_file"],
  ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "tls.cert_file"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "http://"],
  ["EPROTO", "tls options"],
  ["ERR_OSSL_PEM_NO_START_LINE", "tls options"],
  ["HPE_INVALID_CONSTANT", "4318"],
  ["ERR_INVALID_CHAR", "endpoint and headers"],
])("%s is misconfigured and names the fix", (code, fix) => {
  expect(classifyError(error(code), context)).toEqual({ kind: "misconfigured", reason: expect.stringContaining(fix) });
});

it.each(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"])(
  "%s is retried and holds up the destination",
  (code) => {
    expect(classifyError(error(code), context)).toEqual({
      kind: "retry",
      scope: "destination",
      reason: `${code}: it failed`,
      suspect: false,
    });
  },
);

it.each(["ECONNRESET", "EPIPE"])("%s is retried; it may have been this request", (code) => {
  expect(classifyError(error(code), context)).toMatchObject({ kind: "retry", scope: "destination", suspect: true });
});

it("finds the cause inside what wraps it", () => {
  const wrapped = new Error("fetch failed", {
    cause: new AggregateError([error("ECONNREFUSED", "connect ECONNREFUSED ::1:4318"), error("EPROTO")]),
  });
  expect(classifyError(wrapped, context)).toMatchObject({ kind: "retry", reason: "connect ECONNREFUSED ::1:4318" });
  expect(classifyError("no error at all", context)).toMatchObject({ kind: "retry", reason: "no error at all" });
});

it("says which of our own reasons it was before any other", () => {
  expect(classifyError(error("EPROTO"), { ...context, aborted: true, timedOut: true })).toMatchObject({ kind: "retry", reason: "aborted" });
  expect(classifyError(error("EPROTO"), { ...context, timedOut: true })).toMatchObject({ kind: "retry", scope: "batch", suspect: true });
});

it("takes secrets out of what it quotes", () => {
  expect(JSON.stringify(classifyError(error("ECONNRESET", `at ${CANARY}`), context))).not.toContain(CANARY);
});
