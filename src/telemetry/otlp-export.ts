/** Sends spans to an OpenTelemetry collector, if the environment names one. */

/** Variables of OpenTelemetry's own: https://opentelemetry.io/docs/specs/otel/protocol/exporter */
const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];

/** A short command waits no longer than this for a collector that is away. */
const TIMEOUT_MS = 2_000;

/** Runs `work`, then sends what is left. Loads nothing where no collector is named. */
export async function withTraceExport<T>(env: NodeJS.ProcessEnv, work: () => Promise<T>): Promise<T> {
  if (!ENDPOINTS.some((name) => env[name])) return work();
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { registerTracer }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('./tracer-provider.ts'),
  ]);
  const close = registerTracer(
    new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ timeoutMillis: TIMEOUT_MS }) }),
  );
  try {
    return await work();
  } finally {
    // A collector that is away is no failure of the command.
    await close().catch(() => {});
  }
}
