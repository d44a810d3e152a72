// A day of a sales team, by the client that is generated from docs/openapi.json. Compiled and run by
// test/e2e/generated-client.spec.ts, beside the client; not a part of the project's own sources.
import * as crm from './client';
import { client } from './client/client.gen';

const [, , baseUrl = '', organization_id = '', email = '', password = ''] = process.argv;
client.setConfig({ baseUrl });

/** The data of an answer, or the end of the story. */
async function dataOf<T>(
  answer: Promise<{ data?: { data: T }; error?: unknown; response?: Response }>,
): Promise<T> {
  const { data, error, response } = await answer;
  if (!data) throw new Error(`${response?.url ?? 'nobody'} answered ${JSON.stringify(error)}`);
  return data.data;
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`);
}

async function main(): Promise<void> {
  const signedIn = await dataOf(crm.authLogin({ body: { organization_id, email, password } }));
  client.setConfig({ baseUrl, auth: signedIn.access_token });

  const company = await dataOf(
    crm.companiesCreate({
      body: {
        name: 'Acme Ltd',
        domains: [`${organization_id}.example`.toLowerCase().replaceAll('_', '-')],
        tags: ['vip'],
      },
    }),
  );
  const contact = await dataOf(
    crm.contactsCreate({
      body: {
        first_name: 'José',
        last_name: 'García',
        emails: [{ value: 'jose@acme.example', label: 'work' }],
        phones: [{ value: '+49 30 901820' }],
        company_id: company.id,
      },
    }),
  );

  const [pipeline] = await dataOf(crm.pipelinesList());
  if (!pipeline) throw new Error('there is no pipeline');
  const stage = (type: string) => pipeline.stages.filter((one) => one.type === type);
  const deal = await dataOf(
    crm.dealsCreate({
      body: {
        name: '100 anvils',
        company_id: company.id,
        contact_ids: [contact.id],
        amount: 1_250_000,
        currency: 'EUR',
        close_date: new Date().toISOString().slice(0, 10),
      },
    }),
  );
  expectEqual('the first stage', deal.stage_id, stage('open')[0]?.id);

  const task = await dataOf(
    crm.activitiesCreate({
      body: {
        kind: 'task',
        subject: 'Send the offer',
        due_at: new Date(Date.now() + 86_400_000).toISOString(),
        links: [{ object: 'deals', id: deal.id }],
      },
    }),
  );
  const todo = await dataOf(
    crm.activitiesList({
      query: { assignee_id: signedIn.user.id, status: 'open', sort: 'due_at' },
    }),
  );
  expectEqual(
    'what is to be done',
    todo.map(({ subject }) => subject),
    ['Send the offer'],
  );
  await dataOf(crm.activitiesPatch({ path: { id: task.id }, body: { status: 'done' } }));

  const negotiation = stage('open').at(-1);
  const moved = await dataOf(
    crm.dealsPatch({
      path: { id: deal.id },
      body: { stage_id: negotiation?.id },
      headers: { 'If-Match': `"${String(deal.version)}"` },
    }),
  );
  expectEqual('stages so far', moved.stage_history?.length, 2);
  const forecast = await dataOf(crm.pipelineReportsForecast({ path: { id: pipeline.id } }));
  const expected = Math.round((1_250_000 * (negotiation?.probability ?? 0)) / 100);
  expectEqual(
    'the forecast',
    forecast.map(({ weighted }) => weighted),
    [expected],
  );

  const stale = await crm.dealsPatch({
    path: { id: deal.id },
    body: { name: 'x' },
    headers: { 'If-Match': `"${String(deal.version)}"` },
  });
  expectEqual('a change of an old version', stale.error?.code, 'PRECONDITION_FAILED');

  const won = await dataOf(
    crm.dealsPatch({ path: { id: deal.id }, body: { stage_id: stage('won')[0]?.id } }),
  );
  expectEqual('the deal', won.status, 'won');

  for (const q of ['garcia', 'jose@ac', '901820', 'anvil']) {
    const [hit] = await dataOf(crm.searchSearch({ query: { q } }));
    const name = q === 'anvil' ? '100 anvils' : 'José García';
    expectEqual(`the first hit for ${q}`, hit?.name, name);
  }
  const timeline = await dataOf(crm.dealsTimeline({ path: { id: deal.id } }));
  expectEqual('the timeline', new Set(timeline.map(({ type }) => type)).size, 2);
  console.log('the story ends well');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
