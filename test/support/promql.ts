/** Words of PromQL that stand where a metric could. */
const KEYWORDS = new Set([
  "and",
  "or",
  "unless",
  "on",
  "ignoring",
  "by",
  "without",
  "group_left",
  "group_right",
  "bool",
  "offset",
  "inf",
  "nan",
]);

/** The names of the metrics that a PromQL expression reads: whatever is neither called, nor a label, a text, a duration or a keyword. */
export function metricNames(expression: string): string[] {
  const bare = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\{[^}]*\}/g, "")
    .replace(/\[[^\]]*\]/g, "")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  const words = [...bare.matchAll(/(?<![\w:.])[A-Za-z_:][\w:]*(?!\s*\(|[\w:])/g)].map(([word]) => word);
  return [...new Set(words.filter((word) => !KEYWORDS.has(word.toLowerCase())))];
}

/** The names of the series that an exposition holds. */
export function exposedNames(exposition: string): Set<string> {
  return new Set([...exposition.matchAll(/^([A-Za-z_:][\w:]*)[ {]/gm)].map(([, name]) => name!));
}
