import { z } from "zod";
import { outputPath, size } from "../config/values.ts";

/** `state:` as the user writes it. */
export const stateSchema = z
  .strictObject({
    path: outputPath().default("./wfotel.db").meta({ description: "SQLite file; keep it on a volume" }),
    max_size: size().prefault("1GiB").meta({ description: "live payload bytes; past it new payloads wait" }),
  })
  .prefault({})
  .meta({ description: "what the bridge remembers" });
