import { openStore } from "../../src/state/sqlite.ts";
import { done } from "../support/store-samples.ts";

/** Run as a process of its own by sqlite-faults.test.ts: commits page after page and settles some, until it is killed. */
const store = await openStore(process.argv[2] ?? "");
await store.syncDestinations(["a"], 1);
console.log("started");
for (let page = (await store.readSource("eu"))?.watermark ?? 0; ; page += 1) {
  const runs = [0, 1, 2].map((run) => done(`${page}-${run}`, ["a"]));
  await store.commit({ source: "eu", state: { epoch: 1, watermark: page + 1 }, runs, counts: { collected: 3 } });
  if (page % 3 !== 0) continue;
  const [first] = await store.queued("a", "protobuf", 0, 1);
  if (first !== undefined) await store.settle("a", [{ id: first.id, outcome: "delivered", spans: 1, bytes: 1 }], 1);
}
