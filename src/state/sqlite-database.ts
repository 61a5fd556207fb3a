import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { StoreError } from "./store.ts";

/**
 * The only place that talks to `node:sqlite`: prepared statements by their text, transactions, and the
 * driver's errors turned into `StoreError`. Everything is synchronous inside; the store's methods are not.
 */
export interface Database {
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Row by row, for what may not fit the memory; stop early by leaving the loop. */
  each<Row>(sql: string, ...values: SQLInputValue[]): Iterable<Row>;
  /** How many rows it changed, and the row id of the last insert. */
  run(sql: string, ...values: SQLInputValue[]): { readonly changes: number; readonly id: number };
  /** Several statements without values (schema, pragmas). */
  script(sql: string): void;
  /** One transaction that writes; rolled back whole if `work` throws. */
  write<T>(work: () => T): T;
  /** One consistent view for several reads. */
  read<T>(work: () => T): T;
  close(): void;
}

/** How long a statement waits for another process's write, in ms. Other processes write only job rows and drops: short. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * @param defensive false only for reading a damaged file: SQLite may then be told to go on past what is wrong with it
 * @throws StoreError where the file cannot be opened
 */
export function openDatabase(path: string, readOnly: boolean, defensive = true): Database {
  const database = guarded(() => new DatabaseSync(path, { readOnly, defensive, timeout: BUSY_TIMEOUT_MS }));
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  return {
    get: <Row>(sql: string, ...values: SQLInputValue[]) => guarded(() => prepare(sql).get(...values)) as Row | undefined,
    all: <Row>(sql: string, ...values: SQLInputValue[]) => guarded(() => prepare(sql).all(...values)) as Row[],
    // a statement of its own: a cached one could be started again before the loop is over
    each: <Row>(sql: string, ...values: SQLInputValue[]) => rowByRow<Row>(() => database.prepare(sql).iterate(...values)),
    run(sql, ...values) {
      const { changes, lastInsertRowid } = guarded(() => prepare(sql).run(...values));
      return { changes: Number(changes), id: Number(lastInsertRowid) };
    },
    script: (sql) => guarded(() => database.exec(sql)),
    write: (work) => transaction(database, prepare, "BEGIN IMMEDIATE", work),
    read: (work) => transaction(database, prepare, "BEGIN", work),
    close: () => guarded(() => database.close()),
  };
}

function* rowByRow<Row>(start: () => Iterable<unknown>): Generator<Row> {
  try {
    for (const row of start()) yield row as Row;
  } catch (error) {
    throw storeError(error);
  }
}

function transaction<T>(database: DatabaseSync, prepare: (sql: string) => StatementSync, begin: string, work: () => T): T {
  return guarded(() => {
    prepare(begin).run();
    try {
      const result = work();
      prepare("COMMIT").run();
      return result;
    } catch (error) {
      rollBack(database);
      throw error;
    }
  });
}

/** A full disk ends the transaction by itself; and the first error is the one worth telling. */
function rollBack(database: DatabaseSync): void {
  try {
    if (database.isTransaction) database.exec("ROLLBACK");
  } catch {
    // what was written stays uncommitted in any case: the log is not valid without its commit record
  }
}

/** Source: the primary result codes of https://sqlite.org/rescode.html (the low byte of an extended code). */
const KINDS: Readonly<Record<number, StoreError["kind"]>> = {
  5: "busy",
  6: "busy",
  8: "readonly",
  11: "corrupt",
  13: "full",
  26: "corrupt",
};

/** SQLITE_IOERR_SHORT_READ: the file ends before a page that it should have. */
const SHORT_READ = 522;

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storeError(error);
  }
}

/** The driver's error as a `StoreError`; anything else (a bug) as it is. */
export function storeError(error: unknown): unknown {
  // a number that none of ours can be; the driver refuses it by itself
  if (error instanceof RangeError && "code" in error && error.code === "ERR_OUT_OF_RANGE") return new StoreError("corrupt", error.message);
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return error;
  const kind = error.errcode === SHORT_READ ? "corrupt" : KINDS[error.errcode & 0xff];
  return new StoreError(kind ?? "other", `${error.message} (SQLite ${error.errcode})`);
}
