import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { fields } from "./wire.ts";

/** Field numbers on the way to a span's end: ExportTraceServiceRequest.resource_spans.scope_spans.spans.end_time_unix_nano. */
const PATH = [1, 2, 2] as const;
const END_TIME = 8;

/** When the span of a request that holds one span ended (ms); 0 where it does not say. */
export function spanEnd(request: Uint8Array, encoding: Encoding): Millis {
  return encoding === "protobuf" ? endInProtobuf(request) : endInJson(request);
}

function endInProtobuf(request: Uint8Array): Millis {
  let from = 0;
  let to = request.length;
  for (const number of PATH) {
    for (const field of fields(request, from, to)) {
      if (field.number !== number || field.type !== 2) continue;
      from = field.from;
      to = field.to;
      break;
    }
  }
  for (const field of fields(request, from, to)) {
    if (field.number !== END_TIME || field.type !== 1) continue;
    const nanos = new DataView(request.buffer, request.byteOffset).getBigUint64(field.from, true);
    return Number(nanos / 1_000_000n);
  }
  return 0;
}

function endInJson(request: Uint8Array): Millis {
  const parsed = JSON.parse(new TextDecoder().decode(request)) as {
    resourceSpans?: { scopeSpans?: { spans?: { endTimeUnixNano?: string | number }[] }[] }[];
  };
  const nanos = parsed.resourceSpans?.[0]?.scopeSpans?.[0]?.spans?.[0]?.endTimeUnixNano;
  return nanos === undefined ? 0 : Number(BigInt(nanos) / 1_000_000n);
}
