/** The presets in config/, one for each destination, with values for the variables that they ask for and have no default for. */
export const PRESETS: Readonly<
  Record<string, { readonly env: Readonly<Record<string, string>>; readonly headers: Readonly<Record<string, string>> }>
> = {
  axiom: {
    env: { AXIOM_TOKEN: "xaat-1", AXIOM_DATASET: "workflows" },
    headers: { authorization: "Bearer xaat-1", "x-axiom-dataset": "workflows" },
  },
  collector: { env: {}, headers: {} },
  dash0: { env: { DASH0_AUTH_TOKEN: "auth_1" }, headers: { authorization: "Bearer auth_1", "dash0-dataset": "default" } },
  datadog: { env: {}, headers: {} },
  dynatrace: {
    env: { DYNATRACE_ENVIRONMENT_ID: "abc12345", DYNATRACE_API_TOKEN: "dt0c01.1" },
    headers: { authorization: "Api-Token dt0c01.1" },
  },
  "grafana-cloud": {
    env: {
      GRAFANA_CLOUD_BASIC_AUTH: "MTIzOmdsY18x",
      GRAFANA_CLOUD_OTLP_ENDPOINT: "https://otlp-gateway-prod-us-east-0.grafana.net/otlp",
    },
    headers: { authorization: "Basic MTIzOmdsY18x" },
  },
  honeycomb: { env: { HONEYCOMB_API_KEY: "hcaik_1" }, headers: { "x-honeycomb-team": "hcaik_1" } },
  jaeger: { env: {}, headers: {} },
  "new-relic": { env: { NEW_RELIC_LICENSE_KEY: "eu01xx1" }, headers: { "api-key": "eu01xx1" } },
  signoz: { env: { SIGNOZ_INGESTION_KEY: "key-1" }, headers: { "signoz-ingestion-key": "key-1" } },
  tempo: { env: {}, headers: {} },
  zipkin: { env: {}, headers: {} },
};
