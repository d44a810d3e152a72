// What is under deploy/, and the Dockerfile, as far as this machine has the tools to check them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { validate } from 'dockerfile-utils';
import { parse, parseAllDocuments } from 'yaml';
import { NODE_ARGS } from '../tools/node-args.mts';

const DEPLOY = dirname(fileURLToPath(import.meta.url));
const PROJECT = join(DEPLOY, '..');
const CHART = join(DEPLOY, 'helm', 'crm');
const KUBERNETES = '1.37';
const API: Record<string, string> = {
  'apps/v1': 'io.k8s.api.apps.v1',
  'batch/v1': 'io.k8s.api.batch.v1',
  v1: 'io.k8s.api.core.v1',
  'networking.k8s.io/v1': 'io.k8s.api.networking.v1',
  'policy/v1': 'io.k8s.api.policy.v1',
  'autoscaling/v2': 'io.k8s.api.autoscaling.v2',
};

interface Manifest {
  apiVersion: string;
  kind: string;
  spec?: { template?: { spec: PodSpec } };
}
interface PodSpec {
  automountServiceAccountToken: boolean;
  securityContext: { runAsNonRoot: boolean };
  containers: { securityContext: object; resources: object; startupProbe?: object }[];
}

/** A program on the PATH or where .ci/run puts it; undefined where there is none. */
function find(name: string): string | undefined {
  const folders = [join(PROJECT, '.local', 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: DEPLOY });
  return { status, stdout, all: `${stdout}${stderr}` };
}

void test('the Dockerfile has no fault, and every stage a pinned image', () => {
  const text = readFileSync(join(PROJECT, 'Dockerfile'), 'utf8');
  assert.deepEqual(validate(text), []);
  const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  assert.ok(images.length > 1);
  for (const image of images) assert.match(image ?? '', /^node:24\.\d+\.\d+-\w+-slim$/);
  assert.notDeepEqual(validate(text.replace('EXPOSE 4000', 'EXPOSE port')), []);
});

void test('compose.yaml keeps no secret, and its images have tags', () => {
  const text = readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8');
  const { services } = parse(text, { merge: true }) as {
    services: Record<string, { image: string; read_only?: boolean; environment?: object }>;
  };
  assert.deepEqual(Object.keys(services).sort(), ['api', 'cassandra', 'migrate', 'scylla']);
  for (const { image } of Object.values(services)) assert.match(image, /^[\w/-]+:[\w.]+$/);
  for (const [name, value] of Object.entries(services.api?.environment ?? {})) {
    if (/SECRET|PASSWORD|KEYS/.test(name)) assert.match(String(value), /^\$\{\w+:\?/);
  }
  assert.equal(services.api?.read_only, true);
});

const compose = find('compose-spec');
if (!compose) console.error('skipped: compose.yaml against its specification: no compose-spec');
void test('compose.yaml is as the Compose specification has it', { skip: !compose }, () => {
  const { status, all } = run(compose ?? '', '--no-interpolation', 'compose.yaml');
  assert.equal(status, 0, all);
});

const helm = find('helm');
if (!helm) console.error('skipped: the Helm chart is not checked: no helm');
const values = ['-f', join(DEPLOY, 'helm', 'example-values.yaml')];
const version = ['--kube-version', `${KUBERNETES}.0`];
const render = (...more: string[]) =>
  run(helm ?? '', 'template', 'test', CHART, ...values, ...version, ...more);

function manifests(...more: string[]): Manifest[] {
  const { status, stdout, all } = render(...more);
  assert.equal(status, 0, all);
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

void test('the chart passes helm lint', { skip: !helm }, () => {
  const { status, all } = run(helm ?? '', 'lint', '--strict', CHART, ...values);
  assert.equal(status, 0, all);
});

void test(
  'the chart refuses values without an image, and secrets among them',
  { skip: !helm },
  () => {
    assert.match(render('--set', 'image.repository=').all, /image.*minLength/s);
    assert.match(render('--set', 'env.JWT_SECRET=x').all, /JWT_SECRET/);
    assert.match(render('--set', 'replica=3').all, /replica/);
  },
);

void test('the chart makes what Kubernetes knows, and no field beside', { skip: !helm }, () => {
  const schema = join(DEPLOY, `kubernetes-${KUBERNETES}.schema.json`);
  const ajv = new Ajv({ allowUnionTypes: true, strict: false });
  ajv.addSchema(JSON.parse(readFileSync(schema, 'utf8')) as object, 'kubernetes');
  const faults = (manifest: Manifest) => {
    const name = `${API[manifest.apiVersion] ?? ''}.${manifest.kind}`;
    return ajv.validate({ $ref: `kubernetes#/definitions/${name}` }, manifest)
      ? null
      : ajv.errorsText();
  };
  for (const more of [[], ['--set', 'autoscaling.enabled=false,networkPolicy.enabled=false']]) {
    const made = manifests(...more);
    assert.ok(made.length >= 6);
    for (const manifest of made) assert.equal(faults(manifest), null, manifest.kind);
  }
  const [deployment] = manifests().filter(({ kind }) => kind === 'Deployment');
  assert.match(
    faults({ ...deployment, spec: { ...deployment?.spec, replica: 3 } } as unknown as Manifest) ??
      '',
    /additional properties/,
  );
});

void test('every pod of the chart is closed as far as it can be', { skip: !helm }, () => {
  const pods = manifests().flatMap(({ spec }) => spec?.template?.spec ?? []);
  assert.equal(pods.length, 2);
  for (const { automountServiceAccountToken, securityContext, containers } of pods) {
    assert.equal(automountServiceAccountToken, false);
    assert.equal(securityContext.runAsNonRoot, true);
    for (const container of containers) {
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      assert.ok('limits' in container.resources);
    }
  }
});

void test('the image runs Node as npm start does', () => {
  const dockerfile = readFileSync(join(PROJECT, 'Dockerfile'), 'utf8');
  const command = /^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]';
  assert.deepEqual(JSON.parse(command), ['node', ...NODE_ARGS, 'dist/main.js']);
});
