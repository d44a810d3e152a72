// Nest 12 and some of its friends are ES modules; the project is CommonJS. Jest compiles both to
// CommonJS with swc (docs/adr/0001-commonjs-and-jest.md). OpenTelemetry is CommonJS, but imports when
// it sends, which jest cannot do.
const swc = {
  jsc: {
    target: 'es2024',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};
const esm =
  '@nestjs|file-type|strtok3|token-types|uint8array-extras|@tokenizer|@borewit|uuid|p-limit|yocto-queue|@seriousme|@opentelemetry';

const project = (name, extra) => ({
  displayName: name,
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': ['@swc/jest', swc],
    '^.+\\.m?js$': ['@swc/jest', { jsc: { target: 'es2024' }, module: { type: 'commonjs' } }],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esm})/)`],
  ...extra,
});

module.exports = {
  projects: [
    project('unit', { testMatch: ['<rootDir>/src/**/*.spec.ts'] }),
    project('integration', {
      testMatch: ['<rootDir>/test/integration/**/*.spec.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
    }),
    project('e2e', {
      globalTeardown: '<rootDir>/test/support/e2e-teardown.ts',
      testMatch: ['<rootDir>/test/e2e/**/*.spec.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
    }),
    project('browser', {
      testMatch: ['<rootDir>/test/browser/**/*.spec.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
    }),
  ],
  testTimeout: 60_000,
  maxWorkers: 2,
};
