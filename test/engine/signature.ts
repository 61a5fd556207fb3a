import { createHash, createHmac, randomUUID } from "node:crypto";

export interface SigningKeys {
  readonly current: string;
  readonly next: string;
}

const base64url = (text: string) => Buffer.from(text).toString("base64url");

/** `Upstash-Signature`. By the wall clock: the SDK checks `nbf` and `exp` with its own. */
export function sign(key: string, url: string, body: string): string {
  const now = Math.floor(Date.now() / 1_000);
  const hash = createHash("sha256").update(body).digest("base64url");
  const claims = { iss: "Upstash", sub: url, exp: now + 300, nbf: now - 1, iat: now, jti: randomUUID(), body: hash };
  const head = `${base64url(JSON.stringify({ alg: "HS256", typ: "JWT" }))}.${base64url(JSON.stringify(claims))}`;
  return `${head}.${createHmac("sha256", key).update(head).digest("base64url")}`;
}
