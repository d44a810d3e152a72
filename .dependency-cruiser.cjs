/**
 * Imports go one way. The order of the layers, from the bottom:
 * common <- config, logging <- telemetry <- cassandra <- limits, mail, audit <- idempotency
 * <- health, users <- organizations <- jobs <- fields <- records <- changes <- webhooks <- companies
 * <- contacts <- pipelines <- deals <- activities <- search <- imports <- api-keys <- exports <- auth <- app.module
 */
const FEATURES = [
  'health',
  'users',
  'organizations',
  'jobs',
  'fields',
  'records',
  'changes',
  'webhooks',
  'companies',
  'contacts',
  'pipelines',
  'deals',
  'activities',
  'search',
  'imports',
  'api-keys',
  'exports',
  'auth',
];

/** A folder may import what stands before it in this list, never what stands after it. */
const ORDER = [
  'common',
  'config',
  'logging',
  'telemetry',
  'cassandra',
  'limits',
  'mail',
  'audit',
  'idempotency',
  ...FEATURES,
];

const upwards = ORDER.map((folder, index) => ({
  name: `${folder}-imports-downwards`,
  comment: 'A lower layer must not know the layers above it.',
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: `^src/(${[...ORDER.slice(index + 1), 'cli'].join('|')})/|^src/app\\.` },
}));

module.exports = {
  forbidden: [
    ...upwards,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'health-stands-alone',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/health/|^src/app\\.module\\.ts$' },
      to: { path: '^src/health/' },
    },
    {
      name: 'repository-is-private',
      comment: 'Other folders use the service; rows and CQL stay behind it.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '\\.repository\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'driver-only-in-repositories',
      severity: 'error',
      from: { path: '^src', pathNot: '\\.repository\\.ts$|^src/cassandra/' },
      to: { path: 'node_modules/cassandra-driver' },
    },
    {
      name: 'only-app-module-imports-auth',
      comment: 'Decorators and the principal live in common; the guards arrive by APP_GUARD.',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/auth/|^src/app\\.module\\.ts$|^src/cli/' },
      to: { path: '^src/auth/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      severity: 'error',
      from: { path: '^src', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'import', 'default', 'types'],
    },
  },
};
