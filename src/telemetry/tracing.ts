import type { Span } from '@opentelemetry/api';
import type { Request } from 'express';
import type { RequestTrace } from '../common/request-context';
import type { AppConfig } from '../config/app-config';

/** Tracing as the rest of the program sees it; null where nobody has asked for it. */
export const TRACING = Symbol('TRACING');

export interface Tracing {
  startRequest(request: Request): OpenRequestTrace;
  /** Sends what has not been sent yet. */
  shutdown(): Promise<void>;
}

export interface OpenRequestTrace extends RequestTrace {
  end(method: string, route: string, status: number): void;
}

/**
 * Sends spans by OTLP over HTTP (JSON). The packages are loaded here and nowhere else, so that a
 * server without an endpoint does not even read them. Nothing is patched: a request and its
 * statements are the spans that there are, and what they tell is named here, never a value.
 */
export async function startTracing(config: NonNullable<AppConfig['tracing']>): Promise<Tracing> {
  const [api, core, exporters, resources, sdk] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/core'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace'),
  ]);
  const provider = new sdk.TracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': config.serviceName })),
    // A caller who traces decides for his own request.
    sampler: new sdk.ParentBasedSampler({
      root: new sdk.TraceIdRatioBasedSampler(config.sampledShare),
    }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new exporters.OTLPTraceExporter({ url: config.url }),
      }),
    ],
  });
  const tracer = provider.getTracer('crm-backend');
  const propagator = new core.W3CTraceContextPropagator();

  const fail = (span: Span, what: string) => {
    span.setAttribute('error.type', what);
    span.setStatus({ code: api.SpanStatusCode.ERROR });
  };
  return {
    startRequest(request) {
      const caller = propagator.extract(
        api.ROOT_CONTEXT,
        request.headers,
        api.defaultTextMapGetter,
      );
      const span = tracer.startSpan(
        request.method,
        {
          kind: api.SpanKind.SERVER,
          attributes: { 'crm.request_id': request.id as string },
        },
        caller,
      );
      const inside = api.trace.setSpan(caller, span);
      return {
        startStatement(name, kind) {
          const statement = tracer.startSpan(
            name,
            {
              kind: api.SpanKind.CLIENT,
              // The first is what the second was called before; most tools still look for it.
              attributes: {
                'db.system': 'cassandra',
                'db.system.name': 'cassandra',
                'db.query.summary': name,
                'crm.statement_kind': kind,
              },
            },
            inside,
          );
          return (error) => {
            if (error !== undefined) fail(statement, error);
            statement.end();
          };
        },
        end(method, route, status) {
          span.updateName(`${method} ${route}`);
          span.setAttributes({
            'http.request.method': method,
            'http.route': route,
            'http.response.status_code': status,
          });
          if (status >= 500) fail(span, String(status));
          span.end();
        },
      };
    },
    shutdown: () => provider.shutdown(),
  };
}
