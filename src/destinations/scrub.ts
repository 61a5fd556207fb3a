/** Shorter pieces are no secrets, and would tear every text to pieces. */
const MIN_SECRET = 4;

/**
 * Takes the given secrets out of a text that somebody else wrote: each as it was sent, without its scheme
 * (`Bearer …`), decoded where it is `Basic …`, and as a URL or a JSON string would show it.
 */
export function scrubber(secrets: readonly string[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap(parts).flatMap(spellings))].filter((form) => form.length >= MIN_SECRET);
  forms.sort((a, b) => b.length - a.length); // the whole before its parts
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form, "[REDACTED]"), text);
}

function parts(secret: string): string[] {
  const [scheme = "", ...rest] = secret.trim().split(/\s+/);
  const decoded = scheme.toLowerCase() === "basic" ? Buffer.from(rest.join(""), "base64").toString() : "";
  return [secret, secret.trim(), ...rest, decoded, decoded.slice(decoded.indexOf(":") + 1)];
}

function spellings(secret: string): string[] {
  return [secret, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1)];
}
