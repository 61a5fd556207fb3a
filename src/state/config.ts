import * as z from "zod";
import { outputPath, size } from "../config/values.ts";

/** An empty state takes 128 KiB, one request to a destination up to 1 MiB, and a quarter is the events' share: with less, every page would wait. */
const MIN_SIZE = 2 ** 20;

/** `state:` as the user writes it. */
export const stateSchema = z
  .strictObject({
    path: outputPath().default("./wfotel.db").meta({ description: "SQLite file; keep it on a volume" }),
    max_size: size()
      .refine((bytes) => bytes >= MIN_SIZE, "a size of at least 1MiB")
      .prefault("1GiB")
      .meta({ description: "live payload bytes, at least 1MiB; past it new payloads wait" }),
  })
  .prefault({})
  .meta({ description: "what the bridge remembers" });
