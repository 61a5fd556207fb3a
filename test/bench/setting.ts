/** What every part of the benchmark is given. */
export interface Setting {
  /** Its own, empty at the start. */
  readonly folder: string;
  /** Less of everything: to see that it works. */
  readonly quick: boolean;
  /** A line about how far it is. */
  readonly say: (line: string) => void;
}
