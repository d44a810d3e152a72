import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { registry } from '../../src/telemetry/metrics';
import { startApp, type TestApp } from '../support/app';

const read = (path: string) =>
  readFileSync(join(__dirname, '..', '..', 'deploy', ...path.split('/')), 'utf8');

interface Dashboard {
  title: string;
  panels: { id: number; title: string; type: string; targets?: { expr: string }[] }[];
}

interface Rules {
  groups: {
    name: string;
    rules: {
      alert: string;
      expr: string;
      for: string;
      labels: { severity: string };
      annotations: { summary: string };
    }[];
  }[];
}

/** Labels that Prometheus adds, or that a histogram has by itself. */
const ADDED = ['instance', 'job', 'le'];

/** What a PromQL expression speaks of. */
function namesIn(expression: string): { metrics: string[]; labels: string[]; faults: string[] } {
  // Variables of Grafana are put in before Prometheus reads it.
  const text = expression.replaceAll('$__rate_interval', '5m').replaceAll('$instance', 'a');
  const found = { metrics: [] as string[], labels: [] as string[], faults: [] as string[] };
  parser.parse(text).iterate({
    enter: (node) => {
      const word = text.slice(node.from, node.to);
      if (node.type.isError) found.faults.push(`${text} at ${String(node.from)}`);
      if (node.name === 'Identifier') found.metrics.push(word);
      if (node.name === 'LabelName') found.labels.push(word);
    },
  });
  return found;
}

/** The metric of a series, and its labels. */
function metricOf(series: string): { labelNames: string[] } | undefined {
  const base = series.replace(/_(bucket|sum|count)$/, '');
  const metric = registry.getSingleMetric(series) ?? registry.getSingleMetric(base);
  return metric as unknown as { labelNames: string[] } | undefined;
}

describe('What is under deploy/', () => {
  let server: TestApp;
  let types: Map<string, string>;
  beforeAll(async () => {
    server = await startApp();
    const text = await (await fetch(`${server.url}/metrics`)).text();
    types = new Map(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, a = '', b = '']) => [a, b]),
    );
  });
  afterAll(() => server.close());

  const exists = (series: string) => {
    const [, base, part] = /^(.*?)(_bucket|_sum|_count)?$/.exec(series) ?? [];
    return part && ['histogram', 'summary'].includes(types.get(base ?? '') ?? '')
      ? true
      : ['counter', 'gauge'].includes(types.get(series) ?? '');
  };

  const check = (expression: string) => {
    const { metrics, labels, faults } = namesIn(expression);
    expect(faults).toEqual([]);
    expect(metrics.length).toBeGreaterThan(0);
    for (const metric of metrics) expect([metric, exists(metric)]).toEqual([metric, true]);
    const known = [...ADDED, ...metrics.flatMap((metric) => metricOf(metric)?.labelNames ?? [])];
    expect(known).toEqual(expect.arrayContaining(labels));
  };

  it('the dashboard asks for metrics and labels that there are', () => {
    const { title, panels } = JSON.parse(read('grafana/dashboard.json')) as Dashboard;
    expect(title).not.toBe('');
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(20);
    expressions.forEach(check);
    // What is measured and never shown would be measured for nobody.
    const shown = expressions.join(' ');
    const own = [...types.keys()].filter((name) => !/^(nodejs|process)_/.test(name));
    for (const name of own) expect(shown).toContain(name);
  });

  it('the alerts ask for metrics and labels that there are, and say what they are about', () => {
    const { groups } = parse(read('prometheus/alerts.yaml')) as Rules;
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const rule of rules) {
      check(rule.expr);
      expect(rule).toMatchObject({
        alert: expect.stringMatching(/^Crm[A-Za-z]+$/) as string,
        for: expect.stringMatching(/^\d+m$/) as string,
        labels: { severity: expect.stringMatching(/^(critical|warning)$/) as string },
        annotations: { summary: expect.any(String) as string },
      });
    }
    // Error rate, p99, readiness, event loop, hashing queue, Cassandra, sweeper.
    for (const name of [
      'CrmErrorRate',
      'CrmSlow',
      'CrmNotReady',
      'CrmEventLoop',
      'CrmSignInsWait',
      'CrmCassandraErrors',
      'CrmWorkerStuck',
    ]) {
      expect(rules.map(({ alert }) => alert)).toContain(name);
    }
  });

  it('the check itself knows what is wrong', () => {
    expect(namesIn('sum(rate(a[5m]) by').faults).not.toEqual([]);
    expect(() => {
      check('sum(no_such_metric)');
    }).toThrow();
    expect(() => {
      check('sum by (organization) (http_requests_shed_total)');
    }).toThrow();
  });
});
