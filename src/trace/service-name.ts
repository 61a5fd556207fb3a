/**
 * The service a run belongs to, from its workflow URL. Hosts that change with every deployment, tunnel or
 * pod would make a service each, so they collapse by the table below (also printed in the README).
 */

const DEFAULT_SERVICE_NAME = "upstash-workflow";

export interface HostRule {
  /** For the README. */
  readonly hosts: string;
  readonly match: RegExp;
  /** What replaces the match: `$1` … are its groups. The default name, where nothing of the host is stable. */
  readonly name: string;
}

/** First match wins. Hosts come lower-case and without port. */
export const HOST_RULES: readonly HostRule[] = [
  {
    hosts: "localhost, *.localhost, host.docker.internal",
    match: /^(?:.*\.)?localhost$|^host\.docker\.internal$/,
    name: DEFAULT_SERVICE_NAME,
  },
  {
    hosts: "loopback and private IPv4 addresses",
    match: /^(?:0|10|127)\.[\d.]+$|^(?:192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\.[\d.]+$/,
    name: DEFAULT_SERVICE_NAME,
  },
  {
    hosts: "loopback and private IPv6 addresses",
    match: /^\[(?:::1?|f[cd][\da-f]{2}:.*|fe[89ab][\da-f]:.*|::ffff:(?:7f|a|a[\da-f]{2}|c0a8).*)\]$/,
    name: DEFAULT_SERVICE_NAME,
  },
  {
    hosts: "*.ngrok.io, *.ngrok.app, *.ngrok.dev, *.ngrok-free.app, *.ngrok-free.dev",
    match: /^.+\.ngrok(?:-free)?\.(?:app|dev|io)$/,
    name: DEFAULT_SERVICE_NAME,
  },
  { hosts: "*.trycloudflare.com", match: /^.+\.trycloudflare\.com$/, name: DEFAULT_SERVICE_NAME },
  {
    hosts: "*.loca.lt, *.serveo.net, *.lhr.life, *.devtunnels.ms, *.app.github.dev, *.gitpod.io",
    match: /^.+\.(?:loca\.lt|serveo\.net|lhr\.life|devtunnels\.ms|app\.github\.dev|gitpod\.io)$/,
    name: DEFAULT_SERVICE_NAME,
  },
  { hosts: "PROJECT-git-BRANCH-SCOPE.vercel.app", match: /^(.+?)-git-.+\.vercel\.app$/, name: "$1.vercel.app" },
  // The hash has 9 letters and digits; one digit is asked for, so that `shop-checkouts-v2` stays whole.
  { hosts: "PROJECT-HASH-SCOPE.vercel.app", match: /^(.+?)-(?=[a-z]{0,8}\d)[a-z\d]{9}(?:-.+)?\.vercel\.app$/, name: "$1.vercel.app" },
  { hosts: "DEPLOY--SITE.netlify.app", match: /^.+--([a-z\d-]+)\.netlify\.app$/, name: "$1.netlify.app" },
  { hosts: "DEPLOY.PROJECT.pages.dev", match: /^[^.]+\.([^.]+)\.pages\.dev$/, name: "$1.pages.dev" },
  { hosts: "SERVICE-pr-N.onrender.com", match: /^(.+)-pr-\d+\.onrender\.com$/, name: "$1.onrender.com" },
];

/** The URL's host, lower-case, without port and userinfo; "" where there is none to be read. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : "";
}

/** `service.name` for a host (as `hostOf` gives it). */
export function serviceNameOf(host: string): string {
  const rule = ruleFor(host);
  if (rule !== undefined) return host.replace(rule.match, rule.name);
  return host === "" ? DEFAULT_SERVICE_NAME : host;
}

/** True where the name is a guess that a rule of the user's should replace: worth one warning per host. */
export function needsRule(host: string): boolean {
  return host === "" || ruleFor(host) !== undefined;
}

function ruleFor(host: string): HostRule | undefined {
  return HOST_RULES.find((rule) => rule.match.test(host));
}
