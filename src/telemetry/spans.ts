/**
 * Spans of what the operation of a machine consists of, in OpenTelemetry's terms. They cost nothing until somebody registers
 * a tracer provider (see tracer-provider.ts). No attribute holds a value of a manifest but its name.
 */

import { type Attributes, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

/** Runs `work` as a span: what it starts meanwhile stands below it. */
export async function traced<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('caplv').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span that ends now and began `elapsedMs` ago. */
export function tracedSince(name: string, elapsedMs: number, attributes: Attributes = {}): void {
  const startTime = Date.now() - elapsedMs;
  trace.getTracer('caplv').startSpan(name, { attributes, startTime }, context.active()).end();
}

/** The message stays out: it is for people, and may be long. */
function fail(span: Span, error: unknown): void {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  span.setStatus({ code: SpanStatusCode.ERROR, message: String(code ?? name ?? 'Error') });
}
