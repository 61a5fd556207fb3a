import { storeContract } from "../contract/store.contract.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { START } from "../support/store-samples.ts";

storeContract("the in-memory double", async () => {
  const store = openMemoryStore({ now: () => START });
  return { store, reopen: async () => store, cleanup: async () => {} };
});
