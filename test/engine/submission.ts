/** One message that is published: an entry of a batch, or a request to publish. */
export interface Submission {
  readonly destination: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The headers under a prefix, without it. */
export function under(headers: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]));
}
