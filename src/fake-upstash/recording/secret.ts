/** Stands in headers, URLs and bodies of the demo's runs; a trace that shows it has leaked. */
export const PLANTED_SECRET = "demo-secret-that-no-trace-may-show";
