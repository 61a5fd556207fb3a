/** Standard or URL-safe base64, padded or not; line breaks are no part of what the log holds. */
const ALPHABET = /^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/;

/**
 * The text that a base64 string holds; undefined where it is none, or holds no text. A plain word often
 * looks like base64, so what is short must show it by its padding or by the `{"` it begins with.
 * A string that the log's `trimBody` cut still decodes, up to its last whole character.
 */
export function decodeBase64(s: string): string | undefined {
  if (s.length < 4 || (s.length < 16 && !s.endsWith("=") && !s.startsWith("eyJ"))) return undefined;
  if (!ALPHABET.test(s)) return undefined;
  const text = decodeUtf8(Buffer.from(s, "base64"));
  return text === undefined || text === "" || hasControls(text) ? undefined : text;
}

/** Strict UTF-8, but for a last character that was cut off; undefined for other bytes. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** C0 controls other than tab, line feed and carriage return: the mark of bytes that are no text. */
function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 && code !== 9 && code !== 10 && code !== 13) return true;
  }
  return false;
}
