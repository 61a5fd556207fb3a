import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/state/sqlite.ts";
import { storeContract } from "../contract/store.contract.ts";
import { START } from "../support/store-samples.ts";

storeContract("SQLite", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-state-"));
  const open = () => openStore(join(folder, "state.db"), { now: () => START });
  let store = await open();
  return {
    store,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    async cleanup() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});
