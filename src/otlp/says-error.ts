/** JSON's object; lists and null are none. */
type Json = Readonly<Record<string, unknown>>;

/** Past this an answer is none that anybody means. */
const MAX_DEPTH = 8;

/**
 * Whether the JSON object of a 2xx says that it is no success: gateways and back ends answer 200 with their own error in
 * it, and a run would be lost in silence. Others add harmless words to their 200, which must hold nobody up. By key, in
 * any case, `-` and `_` left out; any other key says nothing (the protocol wants unknown fields ignored):
 *
 * | key | harmless |
 * |---|---|
 * | error…, err, errmsg…, fail…, fault…, exception…, reject…, invalid… | null, false, 0, "", [], {} |
 * | success, ok, accepted, valid, authenticated, authorized, also with is… before them | all but false |
 * | code, status, statuscode, also with http…, result… before them | 0, 200–299 (of a status 1, too), as text as well; harmless words; not false |
 * | message, msg, detail(s), reason, title, description, result, response, state, outcome | numbers; harmless words; not false |
 *
 * In the last two rows null is harmless, and lists and objects are looked into. Harmless words are none, or name a
 * success and nothing that went wrong: what nobody can tell holds the destination up, visibly, rather than lose what
 * was sent.
 */
export function saysError(answer: Json, depth = 0): boolean {
  return Object.entries(answer).some(([key, value]) => isError(key.toLowerCase().replaceAll(/[-_]/g, ""), value, depth));
}

const FAILURES = /^(?:err|fail|fault|exception|reject|invalid)/;
const CODES = /^(?:http|response|request|result|return)?(?:status|code|statuscode)$/;
const FLAGS = /^(?:is)?(?:success|succeeded|successful|ok|accepted|valid|authenticated|authorized)$/;
const WORDS = /^(?:message|msg|details?|reason|title|description|result|response|state|outcome)$/;

function isError(key: string, value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return true;
  if (FAILURES.test(key)) return !isNothing(value);
  if (FLAGS.test(key)) return value === false || value === "false";
  const isCode = CODES.test(key);
  if (!isCode && !WORDS.test(key)) return false;
  if (Array.isArray(value)) return value.some((item) => isError(key, item, depth + 1));
  if (typeof value === "object") return value !== null && saysError(value as Json, depth + 1);
  if (typeof value === "string" && !/^\d+$/.test(value)) return !isHarmless(value);
  return typeof value === "boolean" ? !value : isCode && !isSuccessCode(Number(value), key);
}

function isNothing(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return !value || value === "0";
}

/** gRPC's 0, HTTP's 2xx; as a status, 1 is a success as well. */
const isSuccessCode = (code: number, key: string) => code === 0 || (code >= 200 && code < 300) || (code === 1 && key === "status");

const NO_FAILURE = /\b(?:no|0|without(?: any)?) (?:errors?|failures?)\b/gi;
const SUCCESS =
  /\b(?:ok|okay|success|successful|successfully|succeeded|accepted|received|queued|enqueued|created|done|completed?|processed|ingested|stored|saved|written|delivered|thanks?)\b/i;
const FAILURE =
  /\b(?:no|not|nothing|never|cannot|but)\b|n't|error|fail|invalid|den(?:y|ied)|refus|reject|un(?:auth|able|avail|known)|forbid|expire|exceed|quota|limit|missing|wrong|bad|drop|discard|ignor|partial|disabled|suspend/i;

function isHarmless(text: string): boolean {
  const words = text.replaceAll(/[-_]+/g, " ").replaceAll(NO_FAILURE, "success").trim();
  return words === "" || (SUCCESS.test(words) && !FAILURE.test(words));
}
