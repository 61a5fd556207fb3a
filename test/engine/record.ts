import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { pack, type Recording } from "../../src/fake-upstash/recording/recording.ts";
import { demoPrograms } from "../programs/demo/demo-programs.ts";
import { recordProgram } from "./recorder.ts";

/**
 * `npm run record`: runs the demo's programs on the engine and writes what both logs said, for an installed
 * `wfotel demo`, which has no SDK. The same programs, recorded again, differ by ids and some milliseconds.
 */
const FILE = new URL("../../src/fake-upstash/recording/demo.recorded.json", import.meta.url).pathname;

const { values } = parseArgs({ options: { out: { type: "string", default: FILE } } });
console.error = () => {}; // the SDK reports every error of a step there
const recordings: Record<string, Recording> = {};
for (const program of demoPrograms) {
  const recording = pack((await recordProgram(program)).logs);
  recordings[program.name] = recording;
  process.stdout.write(`${program.name}: ${recording.versions.length} versions, ${recording.events.length} events\n`);
}
writeFileSync(values.out, `${JSON.stringify(recordings)}\n`);
